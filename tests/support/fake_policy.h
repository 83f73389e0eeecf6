/* support/fake_policy.h - the table troupe.policy of the fake registry: nobody reads it, all are
 * told.
 */
#ifndef SUPPORT_FAKE_POLICY_H
#define SUPPORT_FAKE_POLICY_H

#include "support/fake_registry.h"

/* From now on; returns when every node that lives has been told. */
void fake_cluster_policy(struct fake_cluster *cluster, const struct tr_policy *policy);

#endif
