"""A dask cluster as those who read captures: the same work, done by its workers."""

import errno
from concurrent.futures import Executor
from typing import cast

from lastack.errors import error_for
from lastack.observe.many import Workers


class Cluster(Workers):
    """The workers of the dask cluster whose scheduler is at `address` (`tcp://HOST:8786`).

    They open the files themselves, so paths must mean the same to them: URLs, or folders that all
    share. Raises OSError when there is no answer, ENOTSUP where dask is missing. A context manager.
    """

    def __init__(self, address: str, patience: float = 10.0) -> None:
        try:
            from distributed import Client
        except ImportError:
            problem = "--dask needs dask: pip install 'lastack[cluster]'"
            raise error_for(errno.ENOTSUP, problem) from None
        try:
            self._client = Client(address, timeout=patience, set_as_default=False)
        except (OSError, ValueError) as error:
            raise error_for(
                errno.ECONNREFUSED, f"no dask scheduler at {address}: {error}"
            ) from None
        super().__init__(sum(self._client.nthreads().values()), near=False)
        if not self.count:
            self._client.close()
            raise error_for(errno.EAGAIN, f"the dask cluster at {address} has no workers")

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def executor(self, most: int) -> Executor:
        """Return what gives work to the cluster."""
        return cast(Executor, self._client.get_executor(pure=False))
