/* The device controller of cgroup v2: an eBPF program attached to the box's directory. */
#include "launcher.h"

#include <linux/bpf.h>

/* strings: directory, program (runtimes/linux/cgroups/devices.py) */
int op_device_filter(struct context *context, const struct step *step)
{
    (void)context;
    union bpf_attr load = {
        .prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
        .insns = (uint64_t)(uintptr_t)step->strings[1],
        .insn_cnt = step->lengths[1] / (uint32_t)sizeof(struct bpf_insn),
        .license = (uint64_t)(uintptr_t)"GPL",
    };
    int group = open(step->strings[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (group < 0)
        return -errno;
    int program = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load);
    if (program < 0)
        return -errno;
    union bpf_attr attach = {
        .target_fd = (uint32_t)group,
        .attach_bpf_fd = (uint32_t)program,
        .attach_type = BPF_CGROUP_DEVICE,
        .attach_flags = BPF_F_ALLOW_MULTI,
    };
    return negative(syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof attach));
}
