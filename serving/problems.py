"""Errors as clients see them: RFC 9457, `application/problem+json`; never a traceback."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from serving.wording import said

PROBLEM_JSON = "application/problem+json"


class Problem(Exception):  # noqa: N818 (the RFC's own word)
    """An answer that is an error: `status`, `detail` for people, and where in the request (`errors`).

    `headers` are sent beside it; `more` are members of the document.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        self.status, self.detail, self.errors, self.more = status, detail, list(errors), more
        self.headers = dict(headers or {})
        super().__init__(detail)

    def body(self) -> dict[str, Any]:
        """The members of the problem document."""
        return problem(self.status, self.detail, self.errors, **self.more)


def problem(status: int, detail: str, errors: Sequence[Mapping[str, str]] = (), **more: Any) -> dict[str, Any]:
    """A problem document: type, title, status, detail, errors (each a JSON pointer and a detail)."""
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if errors or status == HTTPStatus.BAD_REQUEST:
        document["errors"] = [dict(error) for error in errors]
    return document | more


PLACE = re.compile(r"[\w+.-]+://[^\s,;)]+|(?<![\w/.])/(?:[^\s/:,;()'\"]+/)+[^\s/:,;()'\"]*")


def without_places(text: str) -> str:
    """A text of ours without addresses and paths of files, which clients have no use for: the log tells them."""
    return PLACE.sub("...", text)


def wrong(field: str, detail: str) -> Problem:
    """400 for one field of the body, named as a path such as `by` or `visits/3/at`."""
    return Problem(400, f"{field}: {detail}", [{"pointer": f"#/{field}", "detail": detail}])


def pointer(location: Iterable[Any]) -> str:
    """The JSON pointer (RFC 6901, as a URI fragment) of a pydantic error's location."""
    return "#" + "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in location)


def where(error: Mapping[str, Any], skip: int = 0) -> str:
    """The pointer of a pydantic error; the whole document where it is not JSON at all."""
    return pointer(() if error.get("type") == "json_invalid" else error["loc"][skip:])


def invalid(errors: Sequence[Mapping[str, Any]], *, skip: int = 0) -> Problem:
    """400 from pydantic's errors; `skip` leading parts of each location are not of the body."""
    told = [{"pointer": where(error, skip), "detail": said(error)} for error in errors[:100]]
    first = told[0] if told else {"pointer": "#", "detail": "the content is wrong"}
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return Problem(400, f"{first['pointer']}: {first['detail']}{more}", told)


def converted(status: int, body: bytes) -> dict[str, Any]:
    """The problem that a framework's own error answer becomes."""
    try:
        content = json.loads(body)
    except ValueError:
        content = body.decode(errors="replace").strip()
    if isinstance(content, list) and content:
        content = content[0]
    if isinstance(content, dict):
        found = content.get("detail")
        if status == HTTPStatus.BAD_REQUEST and isinstance(found, list):
            return invalid(
                [error for error in found if isinstance(error, dict) and {"loc", "msg"} <= set(error)]
            ).body()
        content = content.get("error") or found
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or not isinstance(content, str) or not content:
        content = EXPLAINED.get(status, HTTPStatus(status).phrase)
    elif content == HTTPStatus(status).phrase:
        content = EXPLAINED.get(status, content)
    errors = [{"pointer": "#", "detail": content}] if status == HTTPStatus.BAD_REQUEST else []
    return problem(status, content, errors)


EXPLAINED = {
    404: "Nothing is served under this path; /docs lists what is.",
    405: "This path does not take this method; /docs lists what is served.",
    500: "The service failed; its log says why, under this answer's X-Request-ID.",
    503: "The service cannot answer now; /readyz says why.",
}
