"""What a failed operation means: operation, object, cause, and the next step."""

from __future__ import annotations

import errno
import os

from runtimes.faults import RuntimeFault
from runtimes.launcher import overlay
from runtimes.launcher.operations import (
    Address,
    Ask,
    Attach,
    AttachInRoot,
    Bind,
    BindIdmapped,
    Clone,
    CloneTree,
    DeviceFilter,
    EnterNamespace,
    Execute,
    Hook,
    Hostname,
    Identity,
    IdMap,
    JoinCgroup,
    LeaveOldRoot,
    MakeDirectory,
    MakeOverlay,
    MakePlace,
    Mask,
    Mount,
    MountInRoot,
    Operation,
    PivotRoot,
    Post,
    Seccomp,
    Terminal,
    Veth,
    Wait,
    WriteFile,
)
from runtimes.launcher.plan import Plan


class LaunchFault(RuntimeFault):
    """A box that could not be started.

    Attributes:
        operation: what failed; ``None`` where the launcher itself did.
        code: errno.
    """

    def __init__(
        self, message: str, *, operation: Operation | None, code: int, hint: str, tail: str = ""
    ) -> None:
        super().__init__(message, hint=hint, tail=tail)
        self.operation = operation
        self.code = code


_OLD_KERNEL = "this kernel is too old or built without it: Linux 5.12 is needed"

_DANGLING = "a link in the root file system leads to nothing there"
_MAGIC = "a link in the root file system leads through /proc, or in a circle"
_NO_DIRECTORY = "the root file system has something else than a directory there"
_NO_NULL = (
    "what is at /dev/null in the box is no null device: let nothing else be mounted at /dev, or at "
    "a place that a link in the root file system leads to it"
)
_NO_PLACE = "what is attached in a read-only root must have its place in it"

_HINTS: dict[tuple[type[Operation] | None, int], str] = {
    (Clone, errno.ENOSPC): "raise /proc/sys/user/max_*_namespaces",
    (Clone, errno.EUSERS): "user namespaces are nested too deeply (32)",
    (Clone, errno.EAGAIN): "too many processes: see pids.max of this cgroup, ulimit -u and "
    "/proc/sys/kernel/pid_max",
    (Clone, errno.ENOSYS): "clone3 is needed (Linux 5.3); a seccomp filter of an outer container "
    "may hide it",
    (Clone, errno.E2BIG): "to be born in a cgroup of v2 is of Linux 5.7: this kernel is older",
    (Clone, errno.EBUSY): "its cgroup hands controllers down, so that no process may be in it",
    (Clone, errno.EOPNOTSUPP): "its cgroup's domain is invalid: see cgroup.type there and above",
    (DeviceFilter, errno.EINVAL): "this kernel is built without CONFIG_CGROUP_BPF",
    (DeviceFilter, errno.ENOSYS): "this kernel is built without CONFIG_BPF_SYSCALL",
    (DeviceFilter, errno.EPERM): "root of the host's user namespace is needed (CAP_BPF and "
    "CAP_NET_ADMIN)",
    (Clone, errno.EINVAL): "this kernel is built without one of these namespaces: "
    "see /proc/self/ns",
    (Clone, errno.EPERM): "root is needed, outside of a container",
    (IdMap, errno.EPERM): "root of the host's user namespace may write any map; this is not it",
    (IdMap, errno.EINVAL): "the map overlaps or is outside of this user namespace's own: "
    "see /proc/self/uid_map",
    (BindIdmapped, errno.EINVAL): "this file system cannot map ids: keep the cache "
    "(TAREBENCH_CACHE) on ext4, xfs or btrfs, or use profile no-userns",
    (BindIdmapped, errno.EPERM): "root of the host's user namespace is needed",
    (BindIdmapped, errno.ENOSYS): _OLD_KERNEL,
    (Bind, errno.ENOSYS): _OLD_KERNEL,
    (Mount, errno.ENODEV): "the kernel does not know this file system: modprobe it",
    (Mount, errno.EPERM): "/proc or /sys of the host is itself partly hidden (a container?), and "
    "the kernel allows no fuller view in a user namespace: run on the host, or use profile "
    "no-userns",
    (Mount, errno.ENOSPC): "too many mounts: see /proc/sys/fs/mount-max",
    (MakeOverlay, errno.ENODEV): "the kernel does not know overlay: modprobe overlay",
    (MakeOverlay, errno.ENOSPC): "too many mounts: see /proc/sys/fs/mount-max",
    (MakeOverlay, errno.ENOENT): "a layer, or the instance's own directory, is gone",
    (MakeOverlay, errno.ENOTDIR): "a layer is no directory",
    (MakeOverlay, errno.ENOSYS): _OLD_KERNEL,
    (MakeOverlay, errno.ELOOP): "overlay inside overlay is nested too deeply (2): keep the state "
    "directory (TAREBENCH_STATE) on a plain file system",
    (MakeOverlay, errno.EINVAL): "its upper directory cannot be on an overlay, NFS or "
    "FAT; keep the state directory (TAREBENCH_STATE) on ext4, xfs or btrfs.  Below Linux 5.19 no "
    "layer may have mapped ids (profile no-userns), below 5.11 no plain user has an overlay "
    "(profile no-overlay)",
    (Attach, errno.EINVAL): _NO_DIRECTORY,
    (Attach, errno.ENOENT): "the root file system lacks this directory",
    (CloneTree, errno.ELOOP): "somebody put a link on the way to it since it was named: it is not "
    "followed",
    (CloneTree, errno.ENOENT): "it was there when it was named, and is gone",
    (Mask, errno.ENXIO): _NO_NULL,
    (Mask, errno.ENOENT): _NO_NULL,
    (Mask, errno.EACCES): _NO_NULL,
    (AttachInRoot, errno.EEXIST): _DANGLING,
    (AttachInRoot, errno.EINVAL): "no file can be bound onto a directory, nor the other way",
    (AttachInRoot, errno.ELOOP): _MAGIC,
    (AttachInRoot, errno.EROFS): _NO_PLACE,
    (MountInRoot, errno.EEXIST): _DANGLING,
    (MountInRoot, errno.ELOOP): _MAGIC,
    (MountInRoot, errno.EROFS): _NO_PLACE,
    (MountInRoot, errno.ENOTDIR): _NO_DIRECTORY,
    (MakePlace, errno.EEXIST): _DANGLING,
    (MakePlace, errno.ELOOP): _MAGIC,
    (MakePlace, errno.EROFS): _NO_PLACE,
    (AttachInRoot, errno.ENOTDIR): _NO_DIRECTORY,
    (Hook, errno.ECANCELED): "it ended with an error; what it says is on standard error",
    (Hook, errno.ETIME): "it took longer than its timeout, and was killed",
    (Ask, errno.EPIPE): "whoever makes the container has ended",
    (Terminal, errno.ENOTTY): "what is at /dev/ptmx is no terminal's master",
    (Terminal, errno.ENOENT): "the container needs a devpts at /dev/pts",
    (LeaveOldRoot, errno.EXDEV): "the harness runs in a chroot: run it in the host's root",
    (PivotRoot, errno.EINVAL): "the host's root is an initramfs, from which pivot_root is refused",
    (Identity, errno.EINVAL): "the box's user namespace has no such id: it has 0 to 65535, "
    "and without subordinate ids (/etc/subuid) a plain user's has root only",
    (MakeDirectory, errno.ENOTDIR): "something else than a directory is in the way",
    (Execute, errno.ENOTDIR): "the working directory is not a directory",
    (Execute, errno.EXDEV): "the working directory is outside of the box's root",
    (Execute, errno.ENOENT): "the program, or the interpreter it names, is not in the root "
    "file system",
    (Execute, errno.ENOEXEC): "built for another architecture, or not a program",
    (Execute, errno.EACCES): "not executable for the box's user",
    (Execute, errno.E2BIG): "arguments and environment are too long together: they may have a "
    "quarter of the stack's limit (ulimit -s), 6 MiB at most",
    (Veth, errno.ENODEV): "the bridge is not in the host-side namespace: the testbed is gone",
    (Veth, errno.EEXIST): "an interface of that name is left from a killed run: invoke clean",
    (Veth, errno.EOPNOTSUPP): "modprobe veth bridge",
    (Address, errno.EADDRNOTAVAIL): "the address is not usable on this interface",
    (Address, errno.EEXIST): "the address is there already",
    (EnterNamespace, errno.ENOENT): "the testbed's namespace is gone",
    (Seccomp, errno.EINVAL): "the filter is malformed, or the kernel lacks CONFIG_SECCOMP_FILTER",
    (Post, errno.EPIPE): "the child was killed: is the box's memory limit too small to start in?",
    (
        Wait,
        errno.EPIPE,
    ): "one of the two was killed: is the box's memory limit too small to start in?  "
    "see dmesg for the OOM killer",
    (MakeDirectory, errno.EEXIST): "left from a killed run: invoke clean",
    (MakeDirectory, errno.ENOSPC): "the file system is full, or there are too many cgroups: "
    "invoke clean",
    (WriteFile, errno.EINVAL): "the kernel refuses this value: check --cpus and --memory",
    (WriteFile, errno.ERANGE): "this host has no such CPU: check --cpus",
    (WriteFile, errno.ENOENT): "this kernel has no such limit, or the controller is not enabled "
    "here: see /proc/cgroups and the parent's cgroup.subtree_control",
    (WriteFile, errno.EACCES): "the kernel has no such limit here, or we may not set it",
    (WriteFile, errno.ENODEV): "there is no such block device: limits are of whole disks, "
    "not of partitions",
    (WriteFile, errno.EBUSY): "the memory limit is below what is in use already",
    (JoinCgroup, errno.EINVAL): "the harness has a real-time policy (chrt), and the kernel's "
    "RT_GROUP_SCHED gives such a cgroup no time: run it with the normal one",
    (JoinCgroup, errno.ENOSPC): "the cpuset has no CPUs or memory nodes",
    (Hostname, errno.EINVAL): "at most 64 characters",
}

_GENERAL: dict[int, str] = {
    errno.EPERM: "root is needed, outside of a container",
    errno.EACCES: "root is needed; a security module (AppArmor, SELinux) may also forbid it",
    errno.ENOSPC: "the file system is full",
    errno.EROFS: "the file system is mounted read-only",
    errno.ENOMEM: "out of memory, or the box's memory limit is too small to start in",
    errno.ENAMETOOLONG: "a path may have 4,095 bytes, each name in it 255",
    errno.EMFILE: "too many open files: ulimit -n",
    errno.ENFILE: "too many open files on this host: /proc/sys/fs/file-max",
}


def _program_words(operation: Operation, code: int) -> str:
    """What callers of OCI runtimes look for, who have only the words to tell by."""
    words = {errno.ENOENT: "executable file not found: ", errno.EACCES: "permission denied: "}
    return words.get(code, "") if isinstance(operation, Execute) else ""


def explain(plan: Plan, index: int, code: int) -> LaunchFault:
    """The fault for errno ``code`` at step ``index``."""
    cause = f"{errno.errorcode.get(code, str(code))} ({os.strerror(code)})"
    if not 0 <= index < len(plan.steps):
        return LaunchFault(
            f"the launcher cannot read its plan: {cause}",
            operation=None,
            code=code,
            hint="the launcher and this program are of different versions: empty the cache",
        )
    operation = plan.steps[index].operation
    hint = _HINTS.get((type(operation), code)) or _GENERAL.get(code, "")
    if isinstance(operation, MakeOverlay) and operation.depth > (limit := overlay.deepest()):
        cause = f"{errno.errorcode[code]}: too many lower layers (limit {limit} on this kernel)"
        hint = "squash the image"
    words = f"{operation.verb} {operation.thing}".strip()
    words = _program_words(operation, code) + words
    return LaunchFault(f"{words}: {cause}", operation=operation, code=code, hint=hint)
