"""What is known of the rows that were read and written: a live body is never stale."""

from tests.security.defences.defence import SRC, Defence

__all__ = ["CHANGES"]

_TESTS = "tests/live/test_"

CHANGES = (
    Defence(
        (13,),
        "a value is compared as the database gets it, not as it looks: members of enumerations",
        SRC + "live/values.py",
        (("text = str.__str__(value)", "text = str(value)"),),
        (_TESTS + "values.py::test_member_of_an_enumeration_is_what_the_database_gets",),
    ),
    Defence(
        (13,),
        "a value that a driver adapts by itself may be any",
        SRC + "live/values.py",
        (("_KINDS.get(kind) or not passes(cls, base):", "_KINDS.get(kind):"),),
        (_TESTS + "values.py::test_class_that_the_driver_adapts_is_any",),
    ),
    Defence(
        (13,),
        "a subclass of a known class may be any",
        SRC + "live/values.py",
        (
            (
                "base = cls if cls in _EXACT else _base_of(cls)",
                "base = next((each for each in _EXACT if issubclass(cls, each)), None)",
            ),
        ),
        (
            _TESTS + "values.py::test_value_that_adapts_itself_is_any",
            _TESTS + "values.py::test_value_is_comparable",
        ),
    ),
    Defence(
        (13,),
        "a column that the database computes narrows nothing",
        SRC + "live/schema.py",
        (('if getattr(found, "generated", False):', "if False:"),),
        (_TESTS + "values.py::test_column_that_the_database_computes_does_not_narrow",),
    ),
)
