/* io/uv_status.h - the one place where libuv's error numbers become statuses.
 *
 * Threads: any.
 */
#ifndef TR_IO_UV_STATUS_H
#define TR_IO_UV_STATUS_H

#include "troupe/status.h"

/* Answers the status for a result of libuv: TROUPE_OK for 0 and above, TROUPE_E_SYSTEM for what
 * has no better word. */
TROUPE_MUST_USE troupe_status tr_uv_status(int result);

#endif
