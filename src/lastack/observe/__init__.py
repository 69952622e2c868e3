"""Captures and kernels: what others' connections do, in the same terms as our own."""
