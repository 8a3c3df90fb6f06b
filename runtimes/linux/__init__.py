"""What the kernel offers, one module for each: cgroups, ids, disks, processes, trees."""
