/* The agent's jobs: start, feed their output to the channel, time them, end them. */
#ifndef TAREBENCH_AGENT_JOBS_H
#define TAREBENCH_AGENT_JOBS_H

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "agent_channel.h"

enum {
    JOBS_MAX = 64,
    STRINGS_MAX = 4096,
    PIECE = 32768,    /* of output per frame; half a pipe's usual capacity */
    SMALL = 1024,     /* room for p, x and ! frames */
    INPUT_MAX = 4096, /* of one piece of input; a pipe takes so much at once or nothing */
};

struct job {
    bool used, exited, timed_out;
    uint32_t id;
    pid_t pid;
    int input;   /* to its standard input; -1: that is /dev/null, or is closed */
    int pipe[2]; /* standard output and error; -1 once at its end */
    int left[2]; /* bytes that were in the pipe when the job exited */
    int status;
    int64_t start_ns, deadline_ns, wall_ns;
    struct rusage usage;
};

static struct job jobs[JOBS_MAX];
static int null_fd = -1;

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static struct job *job_by_id(uint32_t id)
{
    for (struct job *job = jobs; job < jobs + JOBS_MAX; job++)
        if (job->used && job->id == id)
            return job;
    return NULL;
}

static bool parse_number(const char *text, long low, long high, long *value)
{
    char *end;
    errno = 0;
    *value = strtol(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && !errno && *value >= low && *value <= high;
}

/* Split NUL-ended strings in place; the number of them, or -1 where the form is wrong. */
static int split(char *text, size_t length, char **strings, int most)
{
    int count = 0;
    if (length == 0 || text[length - 1] != '\0')
        return -1;
    for (char *at = text; at < text + length; at += strlen(at) + 1) {
        if (count == most)
            return -1;
        strings[count++] = at;
    }
    return count;
}

/* posix_spawn (vfork underneath): the errno of exec itself comes back, and nothing is copied. */
static int launch(pid_t *pid, char **argv, char **env, int in, int out, int err)
{
    extern char **environ;
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, in, 0);
    posix_spawn_file_actions_adddup2(&files, out, 1);
    posix_spawn_file_actions_adddup2(&files, err, 2);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                              POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setsigmask(&attributes, &none);
    environ = env; /* posix_spawnp searches this process's PATH: let it be the job's */
    int error = posix_spawnp(pid, argv[0], &files, &attributes, argv, env);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    static char *empty[] = {NULL};
    environ = empty; /* env points into a frame that is about to be dropped */
    return error;
}

/* A job's own process too: it may have left its group, and then nobody would end it. */
static void job_signal(const struct job *job, int number)
{
    if (kill(-job->pid, number) || number == SIGKILL)
        kill(job->pid, number);
}

static void close_pair(int pair[2])
{
    for (int i = 0; i < 2; i++)
        if (pair[i] >= 0)
            close(pair[i]);
}

static void job_close_input(struct job *job)
{
    if (job->input >= 0)
        close(job->input);
    job->input = -1;
}

/* Start `argv` as `job`, whose id and limit are set; `fed`: what it reads comes in I frames.
 * 0 or an errno. */
static int job_spawn(struct job *job, char **argv, char **env, int64_t limit_ns, bool fed)
{
    int in[2] = {-1, -1}, out[2] = {-1, -1}, err[2] = {-1, -1};
    if ((fed && pipe2(in, O_CLOEXEC)) || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC)) {
        int error = errno;
        close_pair(in);
        close_pair(out);
        return error;
    }
    job->start_ns = now_ns();
    int error = launch(&job->pid, argv, env, fed ? in[0] : null_fd, out[1], err[1]);
    if (fed)
        close(in[0]);
    close(out[1]);
    close(err[1]);
    job->input = in[1];
    job->pipe[0] = out[0];
    job->pipe[1] = err[0];
    if (error) {
        job_close_input(job);
        close_pair(job->pipe);
        return error;
    }
    if (fed)
        fcntl(in[1], F_SETFL, O_NONBLOCK);
    fcntl(out[0], F_SETFL, O_NONBLOCK);
    fcntl(err[0], F_SETFL, O_NONBLOCK);
    job->deadline_ns = job->start_ns + limit_ns;
    job->used = true;
    return 0;
}

/* An R frame, or an S where `fed`: `timeout_ms, nenv, NAME=VALUE…, argv…`, each ended by NUL. */
static void job_run(const struct frame *frame, bool fed)
{
    static char *strings[STRINGS_MAX + 1];
    static char *env[STRINGS_MAX + 1];
    long timeout_ms, nenv;
    int count = split(frame->payload, frame->length, strings, STRINGS_MAX);
    if (count < 3 || !parse_number(strings[0], 1, 1L << 31, &timeout_ms) ||
        !parse_number(strings[1], 0, count - 3, &nenv)) {
        channel_refuse(frame->job, "malformed run request", "", 0);
        return;
    }
    struct job *job = jobs;
    while (job < jobs + JOBS_MAX && job->used)
        job++;
    if (job == jobs + JOBS_MAX || job_by_id(frame->job)) {
        channel_refuse(frame->job, "too many jobs at once, or a number in use twice", "", 0);
        return;
    }
    memcpy(env, strings + 2, (size_t)nenv * sizeof *env);
    env[nenv] = NULL;
    strings[count] = NULL;
    *job = (struct job){.id = frame->job, .input = -1};
    char **argv = strings + 2 + nenv;
    int error = job_spawn(job, argv, env, (int64_t)timeout_ms * 1000000, fed);
    if (error) {
        channel_refuse(frame->job, "cannot run", argv[0], error);
        return;
    }
    char pid[16];
    snprintf(pid, sizeof pid, "%d", (int)job->pid);
    channel_put_text('p', job->id, pid);
}

/* A K frame.  A job that has ended meanwhile is no error: its `x` is on the way. */
static void job_kill(const struct frame *frame)
{
    char text[8] = "";
    long number;
    struct job *job = job_by_id(frame->job);
    if (frame->length < sizeof text)
        memcpy(text, frame->payload, frame->length);
    if (!parse_number(text, 1, 64, &number))
        channel_refuse(frame->job, "malformed kill request", "", 0);
    else if (job && !job->exited)
        job_signal(job, (int)number);
}

/* An I frame: input for a job, its end where the frame is empty.  A job that does not read is
 * killed: nothing is kept for it.  One that has ended meanwhile is no error, as with K. */
static void job_input(const struct frame *frame)
{
    struct job *job = job_by_id(frame->job);
    if (!job || job->exited || job->input < 0)
        return;
    if (frame->length == 0) {
        job_close_input(job);
        return;
    }
    ssize_t n = -1;
    if (frame->length <= INPUT_MAX)
        n = write(job->input, frame->payload, frame->length);
    if (n != (ssize_t)frame->length)
        job_signal(job, SIGKILL);
}

static void job_close_pipe(struct job *job, int which)
{
    close(job->pipe[which]);
    job->pipe[which] = -1;
}

/* Move one piece from the job's pipe to the channel; the caller has seen to room. */
static void job_feed(struct job *job, int which)
{
    size_t most = PIECE;
    if (job->exited && job->left[which] < PIECE)
        most = (size_t)job->left[which];
    ssize_t n = most ? read(job->pipe[which], channel_reserve(most), most) : 0;
    if (n < 0 && (errno == EAGAIN || errno == EINTR) && !job->exited)
        return;
    if (n > 0) {
        channel_commit("oe"[which], job->id, (size_t)n);
        job->left[which] -= job->exited ? (int)n : 0;
    }
    if (n <= 0 || (job->exited && job->left[which] == 0))
        job_close_pipe(job, which);
}

/* Once it has exited, only what is in its pipes now counts: a daemon that it left behind may
 * hold them open for ever. */
static void job_exited(struct job *job, int status, const struct rusage *usage)
{
    job->wall_ns = now_ns() - job->start_ns;
    job->exited = true;
    job->status = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
    job->usage = *usage;
    job_close_input(job);
    for (int i = 0; i < 2; i++) {
        if (job->pipe[i] < 0)
            continue;
        if (ioctl(job->pipe[i], FIONREAD, &job->left[i]) || job->left[i] <= 0)
            job_close_pipe(job, i);
    }
}

static long long microseconds(struct timeval time)
{
    return (long long)time.tv_sec * 1000000 + time.tv_usec;
}

/* Send `x` for every job that has exited and whose output is out, as far as there is room. */
static void jobs_report(void)
{
    for (struct job *job = jobs; job < jobs + JOBS_MAX; job++) {
        if (!job->used || !job->exited || job->pipe[0] >= 0 || job->pipe[1] >= 0)
            continue;
        if (!channel_has_room(SMALL))
            return;
        char text[SMALL];
        snprintf(text, sizeof text,
                 "status=%d\ntimed_out=%d\nwall_ns=%lld\nuser_ns=%lld\nsys_ns=%lld\n"
                 "max_rss_bytes=%lld\n",
                 job->status, job->timed_out, (long long)job->wall_ns,
                 microseconds(job->usage.ru_utime) * 1000, microseconds(job->usage.ru_stime) * 1000,
                 (long long)job->usage.ru_maxrss * 1024);
        channel_put_text('x', job->id, text);
        job->used = false;
    }
}

/* Reap everything that has ended, jobs and orphans alike. */
static void jobs_reap(void)
{
    int status;
    struct rusage usage;
    pid_t pid;
    while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0)
        for (struct job *job = jobs; job < jobs + JOBS_MAX; job++)
            if (job->used && !job->exited && job->pid == pid)
                job_exited(job, status, &usage);
}

/* Kill the groups of jobs that are out of time; nanoseconds to the next limit, -1 for none. */
static int64_t jobs_expire(void)
{
    int64_t now = now_ns(), next = -1;
    for (struct job *job = jobs; job < jobs + JOBS_MAX; job++) {
        if (!job->used || job->exited || job->timed_out)
            continue;
        if (job->deadline_ns <= now) {
            job->timed_out = true;
            job_signal(job, SIGKILL);
        } else if (next < 0 || job->deadline_ns - now < next) {
            next = job->deadline_ns - now;
        }
    }
    return next;
}

#endif
