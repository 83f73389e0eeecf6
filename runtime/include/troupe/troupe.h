/* troupe/troupe.h - all of Troupe: Erlang-style actors for C whose cluster lives in PostgreSQL.
 *
 * Read in this order: type.h (messages and states), actor.h (what an actor is and can do),
 * mailbox.h (what waits for it), node.h (running a node), placement.h (on which one actors start),
 * supervisor.h, group.h, cluster.h, rpc.h, module.h, registry.h.
 */
#ifndef TROUPE_TROUPE_H
#define TROUPE_TROUPE_H

#include "troupe/actor.h"
#include "troupe/blocking.h"
#include "troupe/cluster.h"
#include "troupe/group.h"
#include "troupe/mailbox.h"
#include "troupe/module.h"
#include "troupe/node.h"
#include "troupe/pid.h"
#include "troupe/placement.h"
#include "troupe/registry.h"
#include "troupe/rpc.h"
#include "troupe/statem.h"
#include "troupe/status.h"
#include "troupe/supervisor.h"
#include "troupe/telemetry.h"
#include "troupe/timer.h"
#include "troupe/type.h"

#endif
