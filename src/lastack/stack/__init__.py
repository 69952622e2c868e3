"""One host: demultiplexing, listeners, TIME-WAIT, ports, routes, ICMP, and the BSD socket on top."""
