/* bank/auditor_messages.h - what people say to an auditor, and what it tells them. It watches
 * accounts and writes down how they end. */
#ifndef BANK_AUDITOR_MESSAGES_H
#define BANK_AUDITOR_MESSAGES_H

#include "bank.h"

typedef struct bank_auditor {
    const char **names; /* of the accounts to link to and to monitor; 64 at most */
    size_t names_count;
} bank_auditor;
TROUPE_TYPE(bank_auditor, "bank.auditor", TROUPE_FIELD_ARRAY(bank_auditor, names, names_count, 1));

TROUPE_TYPE_EMPTY(bank_get_audit, "bank.get_audit");

typedef struct bank_signal {
    const char *signal; /* EXIT, DOWN, nodeup, nodedown */
    const char *about;  /* name of the account or of the node */
    troupe_pid pid;
    const char *reason;
    int64_t at_ms; /* when it was handled, in milliseconds since 1970 */
} bank_signal;
TROUPE_TYPE(bank_signal, "bank.signal", TROUPE_FIELD(bank_signal, signal, 1),
            TROUPE_FIELD(bank_signal, about, 2), TROUPE_FIELD(bank_signal, pid, 3),
            TROUPE_FIELD(bank_signal, reason, 4), TROUPE_FIELD(bank_signal, at_ms, 5));

typedef struct bank_audit {
    const char *node; /* where this auditor runs */
    uint64_t watching;
    uint64_t failed; /* accounts that could not be found */
    const bank_signal *signals;
    size_t signals_count;
} bank_audit;
TROUPE_TYPE(bank_audit, "bank.audit", TROUPE_FIELD(bank_audit, node, 1),
            TROUPE_FIELD(bank_audit, watching, 2), TROUPE_FIELD(bank_audit, failed, 3),
            TROUPE_FIELD_STRUCT_ARRAY(bank_audit, signals, signals_count, 4, &bank_signal_type));

#endif
