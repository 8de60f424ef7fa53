class BrimcastError(Exception):
    """Work failed for a reason that the user can read; commands print it and exit with 1."""


class InputError(BrimcastError):
    """What came in cannot be used.

    Says what was found, what was expected, an example where one helps, and the remedy.
    """

    def __init__(self, found: str, *, expected: str, remedy: str, example: str | None = None) -> None:
        self.found, self.expected, self.remedy, self.example = found, expected, remedy, example
        shown = f" Example: {example}." if example else ""
        super().__init__(f"{found}. Expected {expected}.{shown} {remedy}")
