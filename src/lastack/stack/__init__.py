"""One host: demultiplexing, listeners, TIME-WAIT, ports, routes, ICMP, and BSD sockets on top."""
