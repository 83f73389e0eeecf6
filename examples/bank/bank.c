/* bank/bank.c - the module: what a node gets to know when it loads bank.so. */
#include "bank.h"
#include "auditor_messages.h"
#include "teller_messages.h"

static const troupe_type *const types[] = {
    &bank_receipt_type, &bank_progress_type, &bank_report_type, &bank_audit_type, NULL,
};

static const troupe_behavior *const behaviors[] = {
    &bank_account_behavior,
    &bank_teller_behavior,
    &bank_auditor_behavior,
    NULL,
};

TROUPE_API const troupe_module troupe_module_entry = {
    .abi = TROUPE_MODULE_ABI,
    .name = "bank",
    .types = types,
    .behaviors = behaviors,
};
