#include "dist/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "dist/channel.h"
#include "io/loop.h"
#include "io/stream.h"
#include "io/timer.h"
#include "wire/client_frame.h"
#include "wire/crypto.h"
#include "wire/frame_reader.h"
#include "wire/handshake.h"
#include "wire/tls.h"

enum { NS_PER_MS = 1000000, REQUEST_ID = 1 };

struct client {
    const struct tr_client_config *config;
    const uint8_t *request;
    size_t request_size;
    troupe_status status; /* TROUPE_E_AGAIN until it is over */
    struct tr_loop *loop;
    struct tr_timer *timer;
    struct tr_channel channel;
    uint8_t binding[TR_BINDING_SIZE];
    struct tr_frame_reader *reader;
    struct tr_handshake *handshake;
    struct tr_seal *sending;
    struct tr_seal *receiving;
    uint8_t *frames; /* the request as it is written */
    bool asked;      /* something of the request may have reached the node */
    uint8_t *response;
    size_t response_size;
};

/* It is over, for better or worse: the loop ends when everything on it is closed. */
static void finish(struct client *client, troupe_status status)
{
    if (client->status != TROUPE_E_AGAIN) {
        return;
    }
    /* What may have been done is not known to have failed. */
    client->status = status != TROUPE_OK && client->asked ? TROUPE_E_UNKNOWN : status;
    tr_timer_close(client->timer);
    tr_channel_close(&client->channel);
    client->timer = NULL;
    tr_loop_stop(client->loop);
}

static void on_deadline(void *context)
{
    finish(context, TROUPE_E_TIMEOUT);
}

static troupe_status handshake_write(struct client *client)
{
    const struct tr_slice output = tr_handshake_output(client->handshake);
    bool done = true;
    troupe_status status = tr_channel_write(&client->channel, &output, 1, &done);

    return status == TROUPE_OK && !done ? TROUPE_E_NOCONNECTION : status;
}

static troupe_status greet(struct client *client)
{
    struct tr_handshake_config config = {
        .dialer = true,
        .self =
            {
                .role = TR_WIRE_CLIENT,
                .frame_size_max = TR_FRAME_SIZE_MAX,
                .message_size_max = TR_MESSAGE_SIZE_MAX,
                .heartbeat_ms = TR_HEARTBEAT_MS,
                .silence_ms = TR_SILENCE_MS,
                .name = "client",
            },
        .secret = {client->config->secret, client->config->secret_size},
        .binding = {client->binding, client->channel.tls != NULL ? sizeof(client->binding) : 0},
    };
    troupe_status status = tr_crypto_random(config.self.nonce, TR_NONCE_SIZE);

    if (status == TROUPE_OK) {
        status = tr_frame_reader_create(TR_FRAME_SIZE_MAX, TR_FRAME_SIZE_MAX, &client->reader);
    }
    if (status == TROUPE_OK) {
        status = tr_handshake_create(&config, &client->handshake);
    }
    if (status == TROUPE_OK) {
        tr_handshake_start(client->handshake);
        status = handshake_write(client);
    }
    return status == TROUPE_OK ? tr_stream_read_start(client->channel.stream) : status;
}

static void on_open(void *context)
{
    struct client *client = context;
    troupe_status status = tr_tls_binding(client->channel.tls, client->binding);

    if (status == TROUPE_OK) {
        status = greet(client);
    }
    if (status != TROUPE_OK) {
        finish(client, status);
    }
}

static void on_refused(void *context, troupe_status why, const char *text)
{
    struct client *client = context;

    if (client->config->why != NULL) {
        (void)snprintf(client->config->why, client->config->why_size, "%s", text);
    }
    finish(client, why);
}

static const struct tr_stream_events events;
static const struct tr_channel_events secured = {
    .stream = &events,
    .on_open = on_open,
    .on_refused = on_refused,
};

static troupe_status secure(struct client *client)
{
    const struct tr_tls_options options = {.dialer = true, .node = client->config->node_name};
    struct tr_tls *tls = NULL;
    const troupe_status status = tr_tls_create(client->config->tls, &options, &tls);

    return status != TROUPE_OK ? status
                               : tr_channel_secure(&client->channel, tls, &secured, client);
}

static void on_connect(void *context, troupe_status status, bool refused)
{
    struct client *client = context;

    (void)refused;
    if (status == TROUPE_OK && client->config->tls != NULL) {
        status = secure(client);
    } else if (status == TROUPE_OK) {
        status = client->config->secret_size == 0 && !tr_stream_is_local(client->channel.stream)
                     ? TROUPE_E_DENIED
                     : greet(client);
    }
    if (status != TROUPE_OK) {
        finish(client, status);
    }
}

static troupe_status ask(struct client *client)
{
    struct tr_slice frames = {0};
    bool done = true; /* the frames live until the end, so a pending write may take its time */
    troupe_status status = TROUPE_OK;

    tr_handshake_take_seals(client->handshake, &client->sending, &client->receiving);
    frames.size = tr_client_frames_size(client->sending, client->request_size);
    client->frames = malloc(frames.size);
    if (client->frames == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    frames.bytes = client->frames;
    status = tr_client_frames_put(client->sending, TR_FRAME_REQUEST, REQUEST_ID,
                                  (struct tr_slice){client->request, client->request_size},
                                  client->frames);
    if (status != TROUPE_OK) {
        return status;
    }
    client->asked = true;
    tr_channel_trust(&client->channel);
    return tr_channel_write(&client->channel, &frames, 1, &done);
}

static troupe_status handshake_frame(struct client *client, const struct tr_frame *frame)
{
    troupe_status status = tr_handshake_input(client->handshake, frame);

    if (status == TROUPE_OK && tr_handshake_state(client->handshake) == TR_HANDSHAKE_OFFER) {
        status = tr_handshake_offer(client->handshake, &(struct tr_resume){0});
    }
    if (status == TROUPE_OK && tr_handshake_state(client->handshake) == TR_HANDSHAKE_DONE) {
        return ask(client);
    }
    if (status != TROUPE_OK) {
        (void)handshake_write(client); /* tell the other side why, if it still listens */
        return status;
    }
    return handshake_write(client);
}

/* Adds a piece of the answer; *last says whether it was the last. */
static troupe_status response_frame(struct client *client, struct tr_frame *frame, bool *last)
{
    struct tr_client_piece piece;
    uint8_t *grown = NULL;
    troupe_status status = tr_seal_open(client->receiving, frame);

    if (status == TROUPE_OK) {
        status = tr_client_piece_get(frame, TR_FRAME_RESPONSE, &piece);
    }
    if (status != TROUPE_OK) {
        return status;
    }
    if (piece.id != REQUEST_ID ||
        piece.size > TR_CLIENT_RESPONSE_SIZE_MAX - client->response_size) {
        return TROUPE_E_PROTOCOL;
    }
    grown = realloc(client->response, client->response_size + piece.size + 1);
    if (grown == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    client->response = grown;
    if (piece.size > 0) {
        memcpy(grown + client->response_size, piece.bytes, piece.size);
    }
    client->response_size += piece.size;
    grown[client->response_size] = 0;
    *last = piece.is_last;
    return TROUPE_OK;
}

static size_t on_space(void *context, uint8_t **space)
{
    const struct client *client = context;

    return tr_frame_reader_space(client->reader, space);
}

static void on_read(void *context, size_t size)
{
    struct client *client = context;
    troupe_status status = TROUPE_OK;
    bool last = false;

    tr_frame_reader_commit(client->reader, size);
    while (status == TROUPE_OK && !last) {
        struct tr_frame frame;

        status = tr_frame_reader_next(client->reader, &frame);
        if (status != TROUPE_OK) {
            break;
        }
        status =
            client->asked ? response_frame(client, &frame, &last) : handshake_frame(client, &frame);
    }
    if (last || status != TROUPE_E_AGAIN) {
        finish(client, status);
    }
}

static void on_end(void *context, troupe_status status)
{
    (void)status;
    finish(context, TROUPE_E_NOCONNECTION);
}

static void on_written(void *context)
{
    (void)context;
}

static const struct tr_stream_events events = {
    .on_connect = on_connect,
    .space = on_space,
    .on_read = on_read,
    .on_end = on_end,
    .on_written = on_written,
};

static void client_fini(struct client *client)
{
    tr_timer_close(client->timer);
    tr_channel_fini(&client->channel);
    tr_crypto_wipe(client->binding, sizeof(client->binding));
    tr_loop_destroy(client->loop);
    tr_frame_reader_destroy(client->reader);
    tr_handshake_destroy(client->handshake);
    tr_seal_destroy(client->sending);
    tr_seal_destroy(client->receiving);
    free(client->frames);
    free(client->response);
}

troupe_status tr_client_call(const struct tr_client_config *config, const uint8_t *request,
                             size_t size, uint8_t **response, size_t *response_size)
{
    struct client client = {
        .config = config,
        .request = request,
        .request_size = size,
        .status = TROUPE_E_AGAIN,
    };
    troupe_status status = TROUPE_OK;

    if (config->why != NULL) {
        config->why[0] = '\0';
    }
    if (size > TR_CLIENT_REQUEST_SIZE_MAX) {
        return TROUPE_E_LIMIT;
    }
    status = tr_loop_create(&client.loop);
    if (status == TROUPE_OK) {
        status = tr_timer_create(client.loop, on_deadline, &client, &client.timer);
    }
    if (status == TROUPE_OK) {
        tr_timer_start(client.timer, (uint64_t)config->timeout_ms * NS_PER_MS, 0);
        status = tr_stream_connect(client.loop, config->host, config->port, &events, &client,
                                   &client.channel.stream);
    }
    if (status == TROUPE_OK) {
        tr_loop_run(client.loop);
        status = client.status;
    }
    if (status == TROUPE_OK) {
        *response = client.response;
        *response_size = client.response_size;
        client.response = NULL; /* given away */
    }
    client_fini(&client);
    return status;
}
