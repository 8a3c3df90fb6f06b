/*
 * RandomAccess: updates of random words of a large table, by the rules of the HPC Challenge
 * benchmark, bounded by the clock.
 *
 *     random_access TABLE_BYTES SECONDS
 *
 * Output: a version line, then "key value unit" lines.  Exit status 2 on bad arguments, 1 when
 * memory is missing or the table is wrong; the reason is on standard error.
 *
 * The rules (Koester, Lucas, "RandomAccess", HPC Challenge): the table has a power of two of
 * 64-bit words; word i begins as i; each step of the sequence x -> 2x over GF(2), modulo
 * x^64 + x^2 + x + 1, is XORed into the word that its lowest bits name; no more than 1024 updates
 * are looked ahead, here 128; four updates for each word of the table, fewer where time ends
 * first; the same updates again must give back the first table, with at most 1 % of the words
 * wrong.
 *
 * One thread for each CPU that the box may use; each has its own part of the sequence.  Threads
 * do not lock: where two update a word at once one update is lost, which is what the 1 % is for.
 */

#define _GNU_SOURCE
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>

#define PROGRAM "random_access"
#include "base.h"

enum {
    AHEAD = 128,           /* sequences that a thread runs side by side */
    ROUNDS_PER_LOOK = 512, /* at the clock: about a millisecond */
    UPDATES_PER_WORD = 4,
    MOST_SECONDS = 3600,
    MOST_THREADS = 1024,
    STEPS_TO_REPEAT = 64,
};

static const uint64_t polynomial = 7;
static const double most_wrong = 0.01;
static const uint64_t least_bytes = 1 << 16;
static const uint64_t most_bytes = UINT64_C(1) << 38;

static uint64_t after(uint64_t x)
{
    return (x << 1) ^ (x >> 63 ? polynomial : 0);
}

/* The sequence's value after `steps` steps from 1: a step is linear, so squares of it add up. */
static uint64_t value_at(uint64_t steps)
{
    uint64_t power[STEPS_TO_REPEAT], value = 1;

    for (int bit = 0; bit < STEPS_TO_REPEAT; bit++)
        power[bit] = after(UINT64_C(1) << bit);
    for (; steps != 0; steps >>= 1) {
        uint64_t square[STEPS_TO_REPEAT], moved = 0;

        if (steps & 1) {
            for (int bit = 0; bit < STEPS_TO_REPEAT; bit++)
                moved ^= value >> bit & 1 ? power[bit] : 0;
            value = moved;
        }
        for (int bit = 0; bit < STEPS_TO_REPEAT; bit++) {
            square[bit] = 0;
            for (int from = 0; from < STEPS_TO_REPEAT; from++)
                square[bit] ^= power[bit] >> from & 1 ? power[from] : 0;
        }
        memcpy(power, square, sizeof power);
    }
    return value;
}

/* One thread's part of the sequence: AHEAD pieces of it, one round takes a step in each. */
struct part {
    uint64_t *table, mask;
    uint64_t first;  /* step of the sequence at which the first piece begins */
    uint64_t length; /* of a piece, in steps */
    uint64_t rounds; /* the most to be made, at last those that were */
    uint64_t until_ns;
};

static void *update(void *argument)
{
    struct part *part = argument;
    uint64_t *const table = part->table;
    const uint64_t mask = part->mask;
    uint64_t value[AHEAD], done = 0;

    for (uint64_t i = 0; i < AHEAD; i++)
        value[i] = value_at(part->first + i * part->length);
    while (done < part->rounds && now_ns() < part->until_ns) {
        const uint64_t left = part->rounds - done;
        const uint64_t now = left < ROUNDS_PER_LOOK ? left : ROUNDS_PER_LOOK;

        for (uint64_t round = 0; round < now; round++)
            for (int i = 0; i < AHEAD; i++) {
                value[i] = after(value[i]);
                table[value[i] & mask] ^= value[i];
            }
        done += now;
    }
    part->rounds = done;
    return NULL;
}

static void in_parallel(struct part *parts, size_t threads)
{
    pthread_t running[MOST_THREADS];

    for (size_t t = 1; t < threads; t++)
        if (pthread_create(&running[t], NULL, update, &parts[t]) != 0)
            die(1, "pthread_create", "failed");
    update(&parts[0]);
    for (size_t t = 1; t < threads; t++)
        pthread_join(running[t], NULL);
}

static size_t usable_cpus(void)
{
    cpu_set_t set;
    size_t count;

    if (sched_getaffinity(0, sizeof set, &set) != 0)
        die(1, "sched_getaffinity", strerror(errno));
    count = (size_t)CPU_COUNT(&set);
    return count < MOST_THREADS ? count : MOST_THREADS;
}

static uint64_t right_words(const uint64_t *table, uint64_t words)
{
    uint64_t right = 0;

    for (uint64_t i = 0; i < words; i++)
        right += table[i] == i;
    return right;
}

static void random_access(uint64_t words, uint64_t limit_ns)
{
    const size_t threads = usable_cpus();
    const uint64_t length = UPDATES_PER_WORD * words / threads / AHEAD;
    uint64_t *table = pages(words * sizeof *table), updates = 0, begin, took_ns, right;
    struct part parts[MOST_THREADS];

    for (uint64_t i = 0; i < words; i++)
        table[i] = i;
    begin = now_ns();
    for (size_t t = 0; t < threads; t++)
        parts[t] = (struct part){.table = table,
                                 .mask = words - 1,
                                 .first = t * length * AHEAD,
                                 .length = length,
                                 .rounds = length,
                                 .until_ns = begin + limit_ns};
    in_parallel(parts, threads);
    took_ns = now_ns() - begin;

    for (size_t t = 0; t < threads; t++) { /* once more, and alone: takes all of them back */
        updates += parts[t].rounds * AHEAD;
        parts[t].until_ns = UINT64_MAX;
        update(&parts[t]);
    }
    right = right_words(table, words);
    if ((double)(words - right) > most_wrong * (double)words)
        die(1, "table", "more than 1 % of its words are wrong: this memory or CPU errs");
    if (updates == 0 || took_ns == 0)
        die(1, "clock", "no update was made in the time given");

    printf("tarebench-random_access 1\n");
    printf("words %" PRIu64 " 1\n", words);
    printf("threads %zu 1\n", threads);
    printf("updates %" PRIu64 " 1\n", updates);
    printf("rate %.1f 1/s\n", (double)updates * 1e9 / (double)took_ns);
    printf("right %" PRIu64 " 1\n", right);
}

int main(int argc, char **argv)
{
    uint64_t bytes, words = 1;

    if (argc != 3)
        die(2, "usage", "random_access TABLE_BYTES SECONDS");
    bytes = number(argv[1], least_bytes, most_bytes);
    while (2 * words * sizeof(uint64_t) <= bytes)
        words *= 2;
    random_access(words, number(argv[2], 1, MOST_SECONDS) * second_ns);
    if (fflush(stdout) != 0 || ferror(stdout))
        die(1, "standard output", "cannot be written");
    return 0;
}
