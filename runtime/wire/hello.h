/* wire/hello.h - the first frame of each side: who I am and what I can take.
 *
 * Threads: any.
 */
#ifndef TR_WIRE_HELLO_H
#define TR_WIRE_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "troupe/status.h"
#include "wire/frame.h"

enum {
    TR_WIRE_VERSION = 2, /* the only one spoken: the range of versions is 2 to 2 */
    TR_NONCE_SIZE = 32,
    TR_CLUSTER_ID_SIZE = 16,
    TR_BINDING_SIZE = 32,     /* of what ties a handshake to the TLS connection it is in */
    TR_HELLO_FIXED_SIZE = 105 /* of the body, without the name */
};

/* Feature bits. */
#define TR_FEATURE_ZSTD 1u /* messages may come compressed */

enum tr_wire_role { TR_WIRE_NODE = 1, TR_WIRE_CLIENT = 2 };
enum tr_wire_mode { TR_WIRE_PLAIN = 0, TR_WIRE_SECRET = 1, TR_WIRE_TLS = 2 };

struct tr_hello {
    uint16_t version_min;
    uint16_t version_max;
    uint8_t role;      /* enum tr_wire_role */
    uint8_t mode;      /* enum tr_wire_mode */
    uint64_t features; /* TR_FEATURE_*: used only when both sides have them */
    uint8_t cluster_id[TR_CLUSTER_ID_SIZE];
    uint64_t system_id; /* of the database; 0 = none */
    uint64_t node_id;   /* 0 for a client */
    uint8_t nonce[TR_NONCE_SIZE];
    uint32_t frame_size_max;
    uint32_t message_size_max;
    uint32_t heartbeat_ms;
    uint32_t silence_ms;
    char name[TR_NODE_NAME_SIZE_MAX + 1];
};

/* Writes a whole frame and answers its size, which is at most TR_HANDSHAKE_FRAME_SIZE_MAX. The
 * name has to be valid. */
size_t tr_hello_put(const struct tr_hello *hello,
                    uint8_t bytes[static TR_HANDSHAKE_FRAME_SIZE_MAX]);

/* Reads a frame of kind TR_FRAME_HELLO. TROUPE_E_PROTOCOL when it is not one, for a magic, role,
 * mode or name that is not valid, and when no version is common with ours. Bytes behind the name
 * are left to later versions. */
TROUPE_MUST_USE troupe_status tr_hello_get(const struct tr_frame *frame, struct tr_hello *hello);

/* True for 1 to TR_NODE_NAME_SIZE_MAX printable ASCII characters other than space: names are shown
 * in logs. */
bool tr_hello_name_is_valid(const char *name);

#endif
