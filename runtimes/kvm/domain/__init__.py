"""A guest as libvirt is told of it: typed configuration, and domain XML as pure functions."""
