/* io/loop_uv.h - what the files of this folder know of a loop; nobody else includes it. */
#ifndef TR_IO_LOOP_UV_H
#define TR_IO_LOOP_UV_H

#include <uv.h>

#include "io/loop.h"

/* Lends the libuv loop. */
uv_loop_t *tr_loop_uv(struct tr_loop *loop);

#endif
