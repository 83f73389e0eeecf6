/* fuzz_tls - two ends of TLS, each with a certificate of one cluster; the input says which bytes
 * are carried between them, cut where, changed, left out, sent again or made up, before, during and
 * after the handshake, and what is written.
 *
 * Whatever is done on the way: what one end reads is what the other has written, from its beginning
 * and without a gap, or nothing; both ends agree on the binding when both are open; an end that has
 * written nothing says little; one that has ended neither reads nor writes. */
#include <stdbool.h>
#include <string.h>

#include "base/limits.h"
#include "fuzz/fuzz.h"
#include "support/certificates.h"
#include "wire/tls.h"

enum {
    STEPS_MAX = 200,
    WAY_SIZE = 256 * 1024, /* bytes under way in one direction */
    SAID_MAX = 32 * 1024,  /* without any writing: certificates, alerts and tickets */
    READ_SIZE = 4096,
    REKEY_RECORDS = 3,
};

struct end {
    struct tr_tls *tls;
    bool open;
    bool ended;
    uint64_t written; /* bytes of the owner's, which are numbers of their places */
    uint64_t read;
    uint64_t said;         /* bytes of TLS */
    uint8_t way[WAY_SIZE]; /* that nobody has carried yet */
    size_t way_size;
};

struct play {
    struct end ends[2]; /* dialer, listener */
};

static struct tr_tls_context *contexts[2];

/* Made once: keys take longer than all the rest. */
static void contexts_make(void)
{
    struct tr_ca *ca = certificates_ca("fuzz");

    contexts[0] = certificates_context(ca, TR_TLS_NODE, "n1");
    contexts[1] = certificates_context(ca, TR_TLS_NODE, "n2");
    tr_ca_destroy(ca);
}

static uint8_t byte_at(uint64_t place)
{
    return (uint8_t)(place * 31 + place / 251);
}

/* ---- one end ---- */

/* Puts aside what it has to say. What does not fit is lost, as on a connection that breaks. */
static void collect(struct end *end)
{
    const struct tr_slice output = tr_tls_output(end->tls);
    const size_t room = sizeof(end->way) - end->way_size;
    const size_t part = output.size < room ? output.size : room;

    FUZZ_CHECK(output.size <= TR_TLS_OUTPUT_SIZE_MAX);
    if (part > 0) {
        memcpy(end->way + end->way_size, output.bytes, part);
    }
    end->way_size += part;
    end->said += output.size;
    tr_tls_output_done(end->tls);
    FUZZ_CHECK(end->written > 0 || end->said <= SAID_MAX);
}

static bool is_as_written(const uint8_t *bytes, size_t size, uint64_t place)
{
    for (size_t index = 0; index < size; index++) {
        if (bytes[index] != byte_at(place + index)) {
            return false;
        }
    }
    return true;
}

static troupe_status read_once(struct end *end, const struct end *other)
{
    uint8_t bytes[READ_SIZE];
    size_t size = 0;
    const troupe_status status = tr_tls_read(end->tls, bytes, sizeof(bytes), &size);

    if (status == TROUPE_OK) {
        FUZZ_CHECK(size > 0 && size <= sizeof(bytes) && size <= other->written - end->read);
        FUZZ_CHECK(is_as_written(bytes, size, end->read));
        end->read += size;
    }
    return status;
}

/* What the owner of a channel does with bytes that came (dist/channel.c). */
static void take_in(struct end *end, const struct end *other)
{
    troupe_status status = TROUPE_OK;

    while (status == TROUPE_OK) {
        if (end->open) {
            status = read_once(end, other);
        } else {
            status = tr_tls_shake(end->tls);
            end->open = status == TROUPE_OK;
        }
    }
    FUZZ_CHECK(!end->ended || status == TROUPE_E_CLOSED);
    if (status != TROUPE_E_AGAIN && !end->ended) {
        FUZZ_CHECK(status == TROUPE_E_CLOSED || status == TROUPE_E_AUTH ||
                   status == TROUPE_E_PROTOCOL || status == TROUPE_E_LIMIT);
        FUZZ_CHECK(tr_tls_why(end->tls)[0] != '\0');
        end->ended = true;
    }
    collect(end);
}

static void give(struct play *play, size_t to, const uint8_t *bytes, size_t size)
{
    uint8_t *exact = fuzz_exactly(bytes, size);

    tr_tls_input(play->ends[to].tls, exact, size);
    take_in(&play->ends[to], &play->ends[1 - to]);
    free(exact);
}

static void say(struct end *end, size_t size)
{
    uint8_t bytes[3 * TR_TLS_RECORD_SIZE_MAX];
    const size_t first = size / 3;
    const struct tr_slice slices[] = {{bytes, first}, {bytes + first, size - first}};

    FUZZ_CHECK(size <= sizeof(bytes));
    for (size_t index = 0; index < size; index++) {
        bytes[index] = byte_at(end->written + index);
    }
    const troupe_status status = tr_tls_write(end->tls, slices, 2);

    FUZZ_CHECK((status == TROUPE_OK) == (end->open && !end->ended));
    if (status == TROUPE_OK) {
        end->written += size;
    }
    collect(end);
}

/* ---- the way between them ---- */

enum way { CARRY, CHANGE, LEAVE_OUT, AGAIN };

static void carry(struct play *play, size_t to, struct fuzz *fuzz, enum way how)
{
    struct end *from = &play->ends[1 - to];
    const size_t wanted = fuzz_u16(fuzz);
    /* A large number is all there is, so that much is carried by a short input. */
    const size_t size = wanted >= 0x8000 || wanted > from->way_size ? from->way_size : wanted;
    uint8_t *bytes = fuzz_exactly(from->way, size);

    from->way_size -= size;
    memmove(from->way, from->way + size, from->way_size);
    if (how == CHANGE && size > 0) {
        const size_t place = fuzz_u16(fuzz) % size;

        bytes[place] = (uint8_t)(bytes[place] ^ fuzz_u8(fuzz));
    }
    if (how != LEAVE_OUT) {
        give(play, to, bytes, size);
    }
    if (how == AGAIN) {
        give(play, to, bytes, size);
    }
    free(bytes);
}

static void invent(struct play *play, size_t to, struct fuzz *fuzz)
{
    size_t size = 0;
    const uint8_t *bytes = fuzz_take(fuzz, fuzz_u16(fuzz), &size);

    give(play, to, bytes, size);
}

static void step(struct play *play, struct fuzz *fuzz)
{
    const uint8_t choice = fuzz_u8(fuzz);
    const size_t to = choice & 1;

    switch (choice >> 1 & 7) {
    case 0:
    case 1:
    case 2:
        carry(play, to, fuzz, CARRY);
        break;
    case 3:
        carry(play, to, fuzz, CHANGE);
        break;
    case 4:
        carry(play, to, fuzz, (choice & 16) != 0 ? LEAVE_OUT : AGAIN);
        break;
    case 5:
        invent(play, to, fuzz);
        break;
    case 6:
        say(&play->ends[to], fuzz_u16(fuzz) % (3 * TR_TLS_RECORD_SIZE_MAX));
        break;
    default:
        tr_tls_trim(play->ends[to].tls);
        break;
    }
}

static void check_agreement(const struct play *play)
{
    uint8_t bindings[2][TR_BINDING_SIZE];

    if (!play->ends[0].open || !play->ends[1].open) {
        return;
    }
    for (size_t end = 0; end < 2; end++) {
        FUZZ_CHECK(tr_tls_binding(play->ends[end].tls, bindings[end]) == TROUPE_OK);
        FUZZ_CHECK(strcmp(tr_tls_peer(play->ends[end].tls)->name, end == 0 ? "n2" : "n1") == 0);
    }
    FUZZ_CHECK(memcmp(bindings[0], bindings[1], TR_BINDING_SIZE) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct play play;
    struct fuzz fuzz = {bytes, size};

    if (contexts[0] == NULL) {
        contexts_make();
    }
    for (size_t end = 0; end < 2; end++) {
        const struct tr_tls_options options = {
            .dialer = end == 0, .node = end == 0 ? "n2" : NULL, .rekey_records = REKEY_RECORDS};

        play.ends[end] = (struct end){0};
        FUZZ_CHECK(tr_tls_create(contexts[end], &options, &play.ends[end].tls) == TROUPE_OK);
    }
    take_in(&play.ends[0], &play.ends[1]); /* the dialer's first bytes */
    for (int count = 0; count < STEPS_MAX && fuzz.left > 0; count++) {
        step(&play, &fuzz);
    }
    check_agreement(&play);
    tr_tls_destroy(play.ends[0].tls);
    tr_tls_destroy(play.ends[1].tls);
    return 0;
}
