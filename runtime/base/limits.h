/* base/limits.h - every built-in bound of the runtime, with its unit and its reason.
 *
 * What people may change is in the configuration, which takes its defaults from here. Zero never
 * means "no limit".
 */
#ifndef TR_BASE_LIMITS_H
#define TR_BASE_LIMITS_H

#define TR_KIB 1024u
#define TR_MIB (1024u * 1024u)

/* ---- actors (core, sched) ---- */

/* Bytes of a registered name; the CHECK of the table says the same. */
#define TR_NAME_SIZE_MAX 255u
/* Actors alive on one node. The table of ids reaches 16 million. */
#define TR_ACTORS_MAX 4000000u
/* Messages in one mailbox, and the most that may be configured: what the inbox can count. */
#define TR_MAILBOX_MESSAGES 10000u
#define TR_MAILBOX_MESSAGES_MAX 1000000u
/* Bytes of large messages in one mailbox. */
#define TR_MAILBOX_BYTES (16u * 1024u * 1024u)
#define TR_CALL_TIMEOUT_MS 5000u
/* Threads for functions that block, and the most that may be configured: they wait, so more than
 * cores make sense, but each costs a stack. */
#define TR_BLOCKING_THREADS 16u
#define TR_BLOCKING_THREADS_MAX 256u
/* Functions that wait for one of those threads: a second's worth of those that take 16 ms. */
#define TR_BLOCKING_QUEUE 1000u
#define TR_BLOCKING_QUEUE_MAX 1000000u
/* Named timeouts of one state machine: they are a list. */
#define TR_STATEM_TIMEOUTS_MAX 64u
#define TR_SUPERVISOR_CHILDREN_MAX 1000000u /* unless it says less: some 300 bytes for each */
#define TR_SUPERVISOR_ASKS_MAX 10000u /* that wait for their turn: as many as a mailbox holds */
#define TR_SPEC_CHILDREN_MAX 1000u    /* below one that is placed elsewhere: built in one turn */
#define TR_SPEC_DEPTH_MAX 16u         /* levels of them */
#define TR_SPEC_SIZE_MAX TR_MIB       /* bytes of all, with their arguments */
/* How long a lease lasts; renewed three times in that span. */
#define TR_LEASE_TTL_MS 5000u
#define TR_LEASE_TTL_MS_MIN 500u
/* How long the start of a node may take until it is a member. */
#define TR_JOIN_MS 30000u
/* How long one request of the administration protocol may take, unless it says less. */
#define TR_ADMIN_TIMEOUT_MS 30000u
/* Bytes of a request to a node, its NUL included: names and numbers. */
#define TR_RPC_REQUEST_BYTES_MAX (64u * 1024u)
/* Requests of other nodes that a node answers at a time: each has a thread. */
#define TR_RPC_UNDER_WAY_MAX 16u
/* How long a worker or the loop may take to turn, asked whether they live: a batch of 64 messages
 * whose handlers take 30 ms each. */
#define TR_HEALTH_MS 2000u
/* Bytes of a cluster secret, at least: a key of HMAC-SHA-256. */
#define TR_SECRET_SIZE_MIN 32u
/* Messages to names that one peer has sent back and whose deadlines are not past: a mailbox of
 * TR_MAILBOX_MESSAGES whose actor dies, six times within the 5 s of a deadline. 1 MiB. */
#define TR_RETURNS_MAX 65536u
/* Between look-ups of a name whose durable holder is being recovered. */
#define TR_LOOKUP_AGAIN_MS 50u
/* Bytes of one value of a node's metadata: a word or an address, not a document. */
#define TR_METADATA_VALUE_SIZE_MAX 255u
#define TR_METADATA_SIZE 2048u /* bytes of all, with the NUL: one look at a node stays small */
/* Groups that one actor is in or watches. Its list is searched, at its end all are left. */
#define TR_ACTOR_GROUPS_MAX 1000u
/* Nodes that one actor has asked to be told of by name, each time counted: its list is searched. */
#define TR_NODE_MONITORS_MAX 10000u
/* Bytes of a packet that tells another node of members of groups: some 100 of them. */
#define TR_GROUPS_PACKET_SIZE 4096u
/* Memberships of another node's actors that are kept here: as many as a node may have actors. */
#define TR_GROUPS_REMOTE_SEATS_MAX 4000000u
/* Actors of one node that are traced at a time: each keeps up to 1,000 records. */
#define TR_TRACES_MAX 16u
/* One of so many messages is told of, unless configured: the price of two looks at the clock. */
#define TR_TELEMETRY_SAMPLE 1000u
/* Actors with the most messages, and as many with the oldest, in one sample: what fits a screen. */
#define TR_SAMPLE_ACTORS 32u
/* Behaviors that are counted, the last one for all the rest: programs have tens. */
#define TR_SAMPLE_BEHAVIORS 256u
/* Milliseconds between samples: more often nobody reads. */
#define TR_SAMPLE_MS 1000u
/* Actors looked at in one go, which is some 100 us of the loop, and milliseconds to the next. */
#define TR_SAMPLE_SLICE 4096u
#define TR_SAMPLE_SLICE_MS 5u
/* One part in so many of a processor at most goes into looking. */
#define TR_SAMPLE_SHARE 100
/* Messages of one durable step to other names, and what it may take in from its inbox. */
#define TR_STEP_OUTGOING_MAX 1000u

/* ---- wire: frames, handshakes, sessions (docs/protocol.md) ---- */

/* Bytes of a node's name. As long as a DNS label may be. */
#define TR_NODE_NAME_SIZE_MAX 63u
/* Bytes of a handshake frame: a hello is 105 + a name, the rest is room for later versions. */
#define TR_HANDSHAKE_FRAME_SIZE_MAX (4u * 1024u)
/* Bytes taken from a peer before it has proven who it is: four of those frames. */
#define TR_UNPROVEN_BYTES_MAX (16u * 1024u)
/* Bytes taken within TLS from a peer before it has proven itself: its certificates, 16 KiB at most
 * (TR_TLS_CHAIN_SIZE_MAX), and the frames above. */
#define TR_UNPROVEN_TLS_BYTES_MAX (32u * 1024u)
/* Bytes of the certificates of one peer: ten of the largest that are in use. */
#define TR_TLS_CHAIN_SIZE_MAX (16u * 1024u)
/* Certificates between a peer's own and an authority that is trusted. */
#define TR_TLS_DEPTH_MAX 4
/* Bytes of a file with certificates or a key: room for 30 authorities. */
#define TR_TLS_FILE_SIZE_MAX (64u * 1024u)
/* Bytes of one TLS record, as TLS 1.3 has it. */
#define TR_TLS_RECORD_SIZE_MAX (16u * 1024u)
/* Encrypted bytes that wait for one connection: the largest write (a client's request) and what TLS
 * adds to it. */
#define TR_TLS_OUTPUT_SIZE_MAX (2u * 1024u * 1024u)
/* Records sent under one key. RFC 8446 5.5 allows 2^24.5 for AES-GCM. */
#define TR_TLS_REKEY_RECORDS (1ull << 22)
/* Days before a certificate expires from which on the log says so. */
#define TR_TLS_EXPIRY_WARNING_DAYS 30
/* Connections that have not proven who they are, at one time, of one listener. Who knocks when all
 * places are taken is let in, and the oldest of the address with the most goes (dist/peer_door.c).
 */
#define TR_UNPROVEN_PEERS_MAX 128u
/* Of these, from one IPv4 address, one /64 of IPv6, or of one user by a unix socket: so that one
 * that floods leaves room for three others (dist/stranger.h). */
#define TR_UNPROVEN_PER_ADDRESS_MAX 32u
/* The mode of a unix socket for other nodes: those of the same user. */
#define TR_UNIX_MODE 0600u
/* Milliseconds such a connection may live, whatever it sends. */
#define TR_UNPROVEN_MS 5000u
/* Bytes of a piece of a large message: long enough for the price of a frame not to matter, short
 * enough for a small message not to wait behind it. */
#define TR_FRAGMENT_SIZE (64u * 1024u)
/* Bytes of a message that travels in one piece: 64 KiB of the user's and the head of its signal. */
#define TR_SEGMENT_SIZE_MAX (TR_FRAGMENT_SIZE + 4u * 1024u)
/* Bytes of a frame: a segment of the maximum size with header, sequence, ack and tag (8 + 16 + 4 +
 * 69,632 + 16), and room for later versions. */
#define TR_FRAME_SIZE_MAX (128u * 1024u)
/* Bytes of a message: 64 MiB of the user's and the head of its signal. */
#define TR_MESSAGE_SIZE_MAX (64u * 1024u * 1024u + 4u * 1024u)
/* Large messages of one session that are on their way at one time. */
#define TR_FRAGMENT_STREAMS_MAX 8u
/* Bytes of unfinished large messages of one session: two of the largest. */
#define TR_REASSEMBLY_BYTES_MAX (2u * TR_MESSAGE_SIZE_MAX)
/* What a connection is given at one time, and what the kernel keeps for it of what it cannot send
 * yet: so many milliseconds of it, within so many bytes. A piece at least; and so much that a fast
 * connection is not asked for more all the time. A first one knows nothing yet. */
#define TR_PACE_MS 10u
#define TR_PACE_BATCH_MIN TR_FRAGMENT_SIZE
#define TR_PACE_BATCH_FIRST (2u * TR_FRAGMENT_SIZE)
#define TR_PACE_BATCH_MAX (8u * TR_FRAGMENT_SIZE)
/* Bytes of large blocks that a node keeps for the next large messages: two mailboxes' worth of the
 * usual bound would be more than a quiet node should hold. */
#define TR_POOL_KEPT_BYTES_MAX (8u * 1024u * 1024u)
/* Bytes of one session that are sent and not acknowledged. 1 Gbit/s at 128 ms needs 16 MiB. */
#define TR_RESEND_BYTES_MAX (16u * 1024u * 1024u)
/* Records of one session that are sent and not acknowledged: each takes at least a page. */
#define TR_RESEND_RECORDS_MAX 4096u
/* Bytes received after which an acknowledgement is sent at once: 1/64 of the above. */
#define TR_ACK_BYTES (256u * 1024u)
/* Records received after which it is: 1/64 as well. */
#define TR_ACK_RECORDS 64u
/* Milliseconds that an acknowledgement may wait for data that carries it. */
#define TR_ACK_DELAY_MS 20u
/* Bytes of one session that wait to be sent: above it everybody is told BUSY. What waits of large
 * messages counts for large ones only. Room for what actors send in one callback after the high
 * mark, and for one of the largest messages. */
#define TR_SEND_QUEUE_BYTES_MAX (64u * 1024u * 1024u)
/* Above the high mark sending actors are suspended, until no more than the low mark wait: as much
 * as may be on its way unacknowledged, and what is sent in the time that waking them takes. */
#define TR_SEND_QUEUE_HIGH_BYTES (16u * 1024u * 1024u)
#define TR_SEND_QUEUE_LOW_BYTES (8u * 1024u * 1024u)
/* Bytes that system signals may use beyond that; above it the session is given up. 100,000 exit
 * signals of 100 bytes, 25 times over. */
#define TR_SEND_RESERVE_BYTES (256u * 1024u * 1024u)
/* Bytes above which a message may be compressed: below it the time costs more than the bytes. */
#define TR_COMPRESS_SIZE_MIN (4u * 1024u)
/* So many times its size a compressed message may become: the bound of what a few bytes can make us
 * allocate. Texts reach 10, tables 100. */
#define TR_COMPRESS_RATIO_MAX 1024u
#define TR_HEARTBEAT_MS 500u      /* between signs of life */
#define TR_SILENCE_MS 3000u       /* without one until the connection is given up: six of them */
#define TR_RESUME_WINDOW_MS 3000u /* without a connection until the session is given up */

/* ---- placement: on which node an actor starts (troupe/placement.h) ---- */

/* Behaviors that a node tells its peers of: with names of 127 bytes half a megabyte per session. Of
 * a node that has more each behavior is taken to be known there. */
#define TR_NEWS_BEHAVIORS_MAX 4096u
/* Milliseconds between looks at the number of actors, and the part of it by which it has to change
 * for the peers to be told. */
#define TR_NEWS_LOOK_MS 1000u
#define TR_NEWS_CHANGE_PART 16u
/* Counters of "round_robin" per node: one per role, which may share one. */
#define TR_PLACE_TURNS 64u
/* Nodes that are remembered to drain, though they have gone: more than ever leave at one time. */
#define TR_PLACE_DRAINED 64u

/* ---- clients: the command line and other callers that are no nodes ---- */

#define TR_CLIENTS_MAX 64u                                /* connected at one time */
#define TR_CLIENT_REQUEST_SIZE_MAX (1024u * 1024u)        /* bytes, as of any JSON given to us */
#define TR_CLIENT_RESPONSE_SIZE_MAX (64u * 1024u * 1024u) /* bytes, as of any message */
#define TR_CLIENT_IDLE_MS 300000u                         /* without a request until it is closed */

#endif
