"""Floor 3: where packets come from and go to.

`tun` is a device of the kernel, `memory` a wire in virtual time, `udp` and `pair` are
sockets that carry segments and packets, `wrappers` are links around links.
`kernel_side` gives the kernel its end of a device; `netlink` is what it asks the kernel with.
"""
