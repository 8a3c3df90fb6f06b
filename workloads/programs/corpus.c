/*
 * Text to compress, the same on every machine.
 *
 *     corpus PATH BYTES
 *
 * Words are made up once and drawn so that the k-th is about k times rarer than the first, as in
 * a language; so a compressor finds repeats near and far, and earns its time.  Whatever is there
 * is replaced.  Exit status 2 on bad arguments, 1 when the file cannot be written; the reason is
 * on standard error.
 *
 * xorshift64* (Vigna, "An experimental exploration of Marsaglia's xorshift generators", 2016)
 * with a fixed seed: integers only, so no machine rounds differently.
 */

#define PROGRAM "corpus"
#include "base.h"

enum { WORDS = 4096, LONGEST = 10, SHORTEST = 2, LINE = 72 };

static const uint64_t most_bytes = UINT64_C(1) << 32;
static uint64_t state = UINT64_C(20261124);
static char words[WORDS][LONGEST + 1];

static uint32_t draw(uint32_t below)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)(((state * UINT64_C(2685821657736338717)) >> 32) % below);
}

static void make_words(void)
{
    static const char letters[] = "etaoinshrdlucmfwypvbgk";
    for (int word = 0; word < WORDS; word++) {
        uint32_t length = SHORTEST + draw(LONGEST - SHORTEST + 1);
        for (uint32_t i = 0; i < length; i++)
            words[word][i] = letters[draw(draw(sizeof letters - 1) + 1)];
    }
}

/* Rank r with a chance of about 1/r: uniform within a power of two, all powers alike. */
static const char *pick(void)
{
    uint32_t power = UINT32_C(1) << draw(12);
    return words[power - 1 + draw(power)];
}

static void write_text(FILE *file, uint64_t bytes)
{
    size_t column = 0;
    while (bytes > 0) {
        const char *word = pick();
        size_t length = strlen(word) < bytes - 1 ? strlen(word) : (size_t)(bytes - 1);
        column += length + 1;
        fwrite(word, 1, length, file);
        putc(column > LINE ? '\n' : ' ', file);
        column = column > LINE ? 0 : column;
        bytes -= length + 1;
    }
}

int main(int argc, char **argv)
{
    char *end = NULL;
    unsigned long long bytes = argc == 3 ? strtoull(argv[2], &end, 10) : 0;
    if (!end || *end || bytes < 1 || bytes > most_bytes)
        die(2, "usage", "corpus PATH BYTES, from 1 to 2^32");
    FILE *file = fopen(argv[1], "wb");
    if (!file)
        die(1, argv[1], strerror(errno));
    make_words();
    write_text(file, bytes);
    if (ferror(file) || fclose(file))
        die(1, argv[1], strerror(errno));
    return 0;
}
