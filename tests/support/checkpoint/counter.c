/* Counts, in a chain that only a program with all its memory intact can go on with.
 *
 * Each step hashes the count, the last hash and one page of 8 MiB of its own memory, and changes
 * that page.  /count gets the number of steps and the hash, in one write; its descriptor stays open
 * all the time.  "counter N" prints what /count must hold after N steps, and ends.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { WORDS = 1 << 20, PAGE_WORDS = 512 };

static uint64_t memory[WORDS];

static uint64_t mixed(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

static uint64_t step(uint64_t hash, uint64_t count)
{
    uint64_t *page = memory + count * 7 * PAGE_WORDS % WORDS;
    hash = mixed(hash, count);
    for (int i = 0; i < PAGE_WORDS; i++) {
        hash = mixed(hash, page[i]);
        page[i] = hash;
    }
    return hash;
}

int main(int argc, char **argv)
{
    uint64_t hash = 1, last = argc > 1 ? strtoull(argv[1], NULL, 10) : UINT64_MAX;
    int fd = argc > 1 ? 1 : open("/count", O_WRONLY | O_CREAT, 0644);
    char line[64];
    for (uint64_t i = 0; i < WORDS; i++)
        memory[i] = i;
    for (uint64_t count = 1; count <= last; count++) {
        hash = step(hash, count);
        int length = snprintf(line, sizeof line, "%20llu %016llx\n", (unsigned long long)count,
                              (unsigned long long)hash);
        if (argc > 1 ? count == last && write(fd, line, length) < 0
                     : pwrite(fd, line, length, 0) < 0)
            return 1;
        if (argc == 1)
            nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    return 0;
}
