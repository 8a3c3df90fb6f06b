/* Who a program is and what it may do: user, capabilities, no_new_privs, filter, limits. */
#include "launcher.h"

#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>

/* Capabilities outlive the change of user, to be dropped later: which of them is a step of its
 * own.
 * numbers: uid, gid, whether group lists may be set at all (user_namespaces(7))
 * strings: further groups, an array of gid_t */
int op_identity(struct context *context, const struct step *step)
{
    (void)context;
    uid_t uid = (uid_t)step->numbers[0];
    gid_t gid = (gid_t)step->numbers[1];
    size_t count = step->lengths[0] / sizeof(gid_t);
    const gid_t *groups = count ? (gid_t *)(void *)step->strings[0] : NULL;
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    if ((step->numbers[2] && setgroups(count, groups)) || setresgid(gid, gid, gid))
        return -errno;
    if (uid == 0)
        return negative(setresuid(uid, uid, uid));
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) || setresuid(uid, uid, uid) ||
        syscall(SYS_capget, &header, data))
        return -errno;
    for (int half = 0; half < 2; half++)
        data[half].effective = data[half].permitted;
    return negative(syscall(SYS_capset, &header, data));
}

static int raise_ambient(uint64_t wanted)
{
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))
        return -errno;
    for (unsigned cap = 0; cap < 64; cap++)
        if (wanted >> cap & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0))
            return -errno;
    return 0;
}

/* numbers: the capabilities of each set, one bit each: bounding, effective, permitted,
 * inheritable, ambient */
int op_capabilities(struct context *context, const struct step *step)
{
    (void)context;
    const uint64_t *n = step->numbers;
    uint64_t kept = n[0];
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {0};
    for (unsigned cap = 0; cap < 64; cap++)
        if (!(kept >> cap & 1) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0)) {
            if (errno != EINVAL)
                return -errno;
            break; /* beyond the last one this kernel knows */
        }
    for (int half = 0; half < 2; half++) {
        data[half].effective = (uint32_t)(n[1] >> (32 * half));
        data[half].permitted = (uint32_t)(n[2] >> (32 * half));
        data[half].inheritable = (uint32_t)(n[3] >> (32 * half));
    }
    int error = negative(syscall(SYS_capset, &header, data));
    return error ? error : raise_ambient(n[4]);
}

int op_no_new_privileges(struct context *context, const struct step *step)
{
    (void)context, (void)step;
    return negative(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

/* strings: the compiled filter, an array of struct sock_filter */
int op_seccomp(struct context *context, const struct step *step)
{
    (void)context;
    struct sock_fprog program = {
        .len = (unsigned short)(step->lengths[0] / sizeof(struct sock_filter)),
        .filter = (struct sock_filter *)(void *)step->strings[0],
    };
    return negative(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0u, &program));
}

/* numbers: resource, soft, hard */
int op_resource_limit(struct context *context, const struct step *step)
{
    (void)context;
    struct rlimit limit = {step->numbers[1], step->numbers[2]};
    return negative(setrlimit((__rlimit_resource_t)step->numbers[0], &limit));
}
