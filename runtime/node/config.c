#include "base/limits.h"
#include "troupe/node.h"

void troupe_config_init(troupe_config *config)
{
    *config = (troupe_config){
        .struct_size = sizeof(*config),
        .name = "local",
        .listen_host = "127.0.0.1",
        .lease_ttl_ms = TR_LEASE_TTL_MS,
        .heartbeat_ms = TR_HEARTBEAT_MS,
        .silence_ms = TR_SILENCE_MS,
        .resume_window_ms = TR_RESUME_WINDOW_MS,
        .actors_max = TR_ACTORS_MAX,
        .mailbox_messages = TR_MAILBOX_MESSAGES,
        .mailbox_bytes = TR_MAILBOX_BYTES,
        .mailbox_policy = TROUPE_MAILBOX_REJECT,
        .send_queue_bytes = TR_SEND_QUEUE_BYTES_MAX,
        .send_queue_high_bytes = TR_SEND_QUEUE_HIGH_BYTES,
        .send_queue_low_bytes = TR_SEND_QUEUE_LOW_BYTES,
        .call_timeout_ms = TR_CALL_TIMEOUT_MS,
        .blocking_threads = TR_BLOCKING_THREADS,
        .blocking_queue = TR_BLOCKING_QUEUE,
        .telemetry_events = ~TROUPE_EVENT_BIT(HANDLED),
        .listen_mode = TR_UNIX_MODE,
        .telemetry_sample = TR_TELEMETRY_SAMPLE,
    };
}
