"""The cases, in the order in which they are run."""
from cases import document, guarded, ledger, life, rotation, start
from harness.report import cases_of

ALL = [item for module in (start, guarded, ledger, life, rotation, document) for item in cases_of(module)]
