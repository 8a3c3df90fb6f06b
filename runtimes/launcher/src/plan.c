/* The plan's wire format: steps as runtimes/launcher/plan.py packs them, in host byte order.
 *
 *   "TBPL" | u32 step count | step…
 *   step: u16 code | u16 side (and 0x8000: the last one of its stage) | u16 numbers | u16 strings | u64… | (u32 length | bytes | NUL)…
 *
 * The plan comes from the harness over a socket; it is trusted, and still bounded (limits.h).  What
 * is read points into the message and into one arena, which the next plan overwrites.
 */
#include "launcher.h"

#include <stdlib.h>

/* Nothing that fits into a message needs more: a string takes at least its length and an end there,
 * a pointer and a length here; each step's two arrays have an end and are rounded up. */
enum {
    ROUNDED = 15,
    LEAST_STRING = sizeof(uint32_t) + 1,
    ENTRY = sizeof(char *) + sizeof(uint32_t)
};
enum {
    ARENA_BYTES = MESSAGE_BYTES / LEAST_STRING * ENTRY +
    (MAX_STEPS + 2) * (int)(sizeof(struct step) + ENTRY + 2 * ROUNDED)
};

static char arena[ARENA_BYTES] __attribute__((aligned(16)));
static size_t arena_used;

static void *allocate(size_t length)
{
#ifdef __SANITIZE_ADDRESS__
    return malloc(length); /* with red zones, which pieces of an arena have not */
#endif
    size_t rounded = (length + 15) & ~(size_t)15;
    if (rounded < length || rounded > ARENA_BYTES - arena_used)
        return NULL;
    void *result = arena + arena_used;
    arena_used += rounded;
    return result;
}

struct cursor {
    char *at, *end;
};

static int take(struct cursor *cursor, void *target, size_t length)
{
    if ((size_t)(cursor->end - cursor->at) < length)
        return -EBADMSG;
    memcpy(target, cursor->at, length);
    cursor->at += length;
    return 0;
}

static int take_strings(struct cursor *cursor, struct step *step)
{
    size_t count = step->string_count;
    step->strings = allocate((count + 1) * sizeof *step->strings);
    step->lengths = allocate((count + 1) * sizeof *step->lengths);
    if (!step->strings || !step->lengths)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        uint32_t length;
        if (take(cursor, &length, sizeof length) ||
            (size_t)(cursor->end - cursor->at) < (size_t)length + 1 || cursor->at[length] != '\0')
            return -EBADMSG;
        step->strings[i] = cursor->at;
        step->lengths[i] = length;
        cursor->at += (size_t)length + 1;
    }
    step->strings[count] = NULL;
    step->lengths[count] = 0;
    return 0;
}

static int take_step(struct cursor *cursor, struct step *step)
{
    uint16_t head[4];
    if (take(cursor, head, sizeof head))
        return -EBADMSG;
    step->code = head[0];
    step->side = head[1] & 0x7fff;
    step->ends_stage = head[1] >> 15;
    step->number_count = head[2];
    step->string_count = head[3];
    _Static_assert(MAX_STRINGS == UINT16_MAX, "the wire counts no more strings");
    if (step->number_count > MAX_NUMBERS)
        return -EBADMSG;
    if (take(cursor, step->numbers, step->number_count * sizeof *step->numbers))
        return -EBADMSG;
    return take_strings(cursor, step);
}

int plan_read(char *text, size_t length, struct step **steps, uint32_t *count)
{
    char magic[4];
    struct cursor cursor = {text, text + length};
    arena_used = 0;
    if (take(&cursor, magic, sizeof magic) || memcmp(magic, "TBPL", 4) ||
        take(&cursor, count, sizeof *count) || *count > MAX_STEPS)
        return -EBADMSG;
    *steps = allocate((*count + 1) * sizeof **steps);
    if (!*steps)
        return -ENOMEM;
    for (uint32_t i = 0; i < *count; i++) {
        int error = take_step(&cursor, &(*steps)[i]);
        if (error)
            return error;
    }
    return cursor.at == cursor.end ? 0 : -EBADMSG;
}
