"""A step's modules are loaded as the step has noted them, or not at all.

A step notes the digests of its modules before it imports them: they go into its manifest, and its
result is kept under them in the cache. An edit in between would make both of them wrong. So each
module is compiled from the very bytes that were compared with its digest; what is edited later
does not reach the step. Byte code on the disk (`__pycache__`) is passed over: Python takes it for
current where time (in whole seconds) and size of the source are as they were, which a copied or
unpacked file's may well be.

The script itself and what brings it here (step.py and the modules that it imports) are loaded
already, some hundredths of a second before they are noted.
"""

import sys
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from selfsame.errors import TryAgain


def hold_to(digests: Mapping[str, str], scripts: Path) -> None:
    """Load the modules among these files of the folder `scripts` only with these digests.

    An import of one that has other bytes raises TryAgain.
    """
    files = {Path(path).resolve(): digest for path, digest in digests.items()}
    root = scripts.resolve()
    names = {
        ".".join(path.relative_to(root).with_suffix("").parts): digest
        for path, digest in files.items()
        if path.suffix == ".py" and path.is_relative_to(root)
    }
    sys.meta_path.insert(sys.meta_path.index(PathFinder), _Finder(names))


class _Finder(MetaPathFinder):
    """Finds the modules that have a digest, and no others."""

    def __init__(self, digests: Mapping[str, str]) -> None:
        self._digests = digests

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Where Python itself would find it, with a loader that looks at the bytes."""
        digest = self._digests.get(fullname)
        spec = PathFinder.find_spec(fullname, path, target) if digest else None
        if digest and spec and spec.origin:
            spec.loader = _Loader(fullname, spec.origin, digest)
        return spec


class _Loader(SourceFileLoader):
    """Compiles a file that has the digest."""

    def __init__(self, fullname: str, path: str, digest: str) -> None:
        super().__init__(fullname, path)
        self._digest = digest

    def get_code(self, fullname: str) -> CodeType | None:
        """The code of the bytes that were looked at."""
        source = self.get_data(self.path)
        if sha256(source).hexdigest() != self._digest:
            raise TryAgain(f"{self.path} was edited while the step started; run it again")
        return self.source_to_code(source, self.path)
