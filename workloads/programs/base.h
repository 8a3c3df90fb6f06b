/*
 * What the measuring programs share: dying with a reason, the clock, fresh pages, numbers.
 *
 * PROGRAM, the program's name in its error messages, is defined before this is included.
 */
#ifndef TAREBENCH_PROGRAM_BASE_H
#define TAREBENCH_PROGRAM_BASE_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define MAYBE_UNUSED __attribute__((unused)) /* not every program needs every part */

static const uint64_t second_ns MAYBE_UNUSED = UINT64_C(1000000000);

static void die(int status, const char *what, const char *why)
{
    fprintf(stderr, PROGRAM ": %s: %s\n", what, why);
    exit(status);
}

static MAYBE_UNUSED uint64_t now_ns(void)
{
    struct timespec now;

    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
        die(1, "clock_gettime", strerror(errno));
    return (uint64_t)now.tv_sec * second_ns + (uint64_t)now.tv_nsec;
}

static MAYBE_UNUSED void *pages(uint64_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (at == MAP_FAILED)
        die(1, "mmap", strerror(errno));
    return at;
}

static MAYBE_UNUSED uint64_t number(const char *text, uint64_t least, uint64_t most)
{
    char *end;
    uint64_t value;

    errno = 0;
    value = strtoull(text, &end, 10);
    if (errno != 0 || *text < '0' || *text > '9' || *end != '\0' || value < least || value > most)
        die(2, text, "not a number in range");
    return value;
}

#endif
