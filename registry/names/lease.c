#include "names/lease.h"

#include "base/check.h"

/* A third of the lease: two renewals may be lost before it ends. */
enum { RENEWALS_PER_TTL = 3, RETRIES_PER_TTL = 10 };

void reg_lease_init(struct reg_lease *lease, int64_t ttl_ns)
{
    TR_CHECK(ttl_ns > 0);
    *lease = (struct reg_lease){.ttl_ns = ttl_ns};
}

void reg_lease_sent(struct reg_lease *lease, struct reg_clock now)
{
    lease->under_way = true;
    lease->sent = now;
    lease->next_ns = now.loop_ns + lease->ttl_ns / RENEWALS_PER_TTL;
}

void reg_lease_renewed(struct reg_lease *lease)
{
    TR_CHECK(lease->under_way);
    lease->under_way = false;
    lease->state = REG_LEASE_HELD;
    lease->granted = lease->sent;
    lease->next_ns = lease->sent.loop_ns + lease->ttl_ns / RENEWALS_PER_TTL;
}

void reg_lease_failed(struct reg_lease *lease, int64_t now_ns)
{
    lease->under_way = false;
    lease->next_ns = now_ns + lease->ttl_ns / RETRIES_PER_TTL;
}

void reg_lease_lost(struct reg_lease *lease)
{
    reg_lease_init(lease, lease->ttl_ns);
}

bool reg_lease_due(const struct reg_lease *lease, int64_t now_ns)
{
    return !lease->under_way && now_ns >= lease->next_ns;
}

int64_t reg_lease_deadline(const struct reg_lease *lease, struct reg_clock now)
{
    int64_t suspended_ns = 0;

    if (lease->state == REG_LEASE_NONE) {
        return 0;
    }
    suspended_ns = (now.boot_ns - lease->granted.boot_ns) - (now.loop_ns - lease->granted.loop_ns);
    /* The two clocks are not read at the same instant, so they seem to differ a little. */
    if (suspended_ns < 0) {
        suspended_ns = 0;
    }
    return lease->granted.loop_ns + lease->ttl_ns - suspended_ns;
}

bool reg_lease_expired(const struct reg_lease *lease, struct reg_clock now)
{
    return lease->state == REG_LEASE_HELD && now.loop_ns >= reg_lease_deadline(lease, now);
}
