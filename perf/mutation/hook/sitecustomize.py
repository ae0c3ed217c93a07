"""Gives a Python process one changed source, and no compiled code from before for the kernels that the change is in.

The file itself stays as it is, and with it the digest of all sources: all other kernels come from the cache.
"""

import importlib.machinery
import json
import os
from pathlib import Path

_LOADER = importlib.machinery.SourceFileLoader
_usual_code, _usual_exec = _LOADER.get_code, _LOADER.exec_module
_mutant = json.loads(os.environ.get("NUMBAFC_MUTANT", "{}"))  # path of the original, source: of the changed one, stale


def _get_code(self, name):
    if self.path != _mutant.get("path"):
        return _usual_code(self, name)
    return compile(Path(_mutant["source"]).read_text(encoding="utf-8"), self.path, "exec", dont_inherit=True)


def _exec_module(self, module):
    _usual_exec(self, module)
    if module.__name__ != "numbafc._numba.kernel" or not _mutant:
        return
    from numbafc._numba.cache import NoCache

    usual = module.cache_for
    module.cache_for = lambda function, *rest: (
        NoCache() if function.__module__ in _mutant["stale"] else usual(function, *rest)
    )


_LOADER.get_code, _LOADER.exec_module = _get_code, _exec_module
