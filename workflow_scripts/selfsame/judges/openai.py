"""A judge behind a server that speaks OpenAI's chat completions, asked by the official client.

The client retries rate limits, faults of the server and broken connections, after the pause that
the server asks for, or after a longer one each time. What arrived is handed on at once. The key is
read from the environment, and taken out of all that the server says before that goes anywhere.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event
from typing import Any, NoReturn

import openai
import tenacity
from openai import OpenAI, Timeout
from pydantic import BaseModel, Field, ValidationError

from selfsame.errors import TryAgain, UserError
from selfsame.judging.asking import Arrived
from selfsame.judging.budget import Ledger, ledger_of
from selfsame.judging.manner import address_of, key_of, manner_of, replies_folder
from selfsame.judging.replies import Reply, checked_top
from selfsame.judging.settings import OpenaiJudge
from selfsame.step import Step

# A prompt that every server takes: where it is refused too, the settings are at fault.
CONTROL = "Reply with the number 50 and nothing else."
REFUSED = (400, 413, 422)
FORBIDDEN = 403
# Time-outs, conflicts and rate limits pass, as do a server's faults (500 and more); else nothing.
PASSING = (408, 409, 425, 429)
# OpenAI's newer models take the second name only, and no temperature; some servers know no seed.
LIMIT, NEW_LIMIT = "max_tokens", "max_completion_tokens"
OPTIONAL = ("temperature", "seed")
LOGPROBS = ("logprobs", "top_logprobs")
QUOTA = "insufficient_quota"  # OpenAI's code of a rate limit that no waiting lifts
LONGEST_LINE = 200
CONNECT_S = 10.0
# Where a server does not count tokens, a budget goes by this many characters to one.
CHARACTERS_PER_TOKEN = 3


Parameters = dict[str, Any]


class MalformedError(Exception):
    """A server answered with something that is no chat completion."""


class _Top(BaseModel, strict=True):
    token: str
    logprob: float


class _Token(BaseModel, strict=True):
    token: str
    top_logprobs: list[_Top] = []


class _Logprobs(BaseModel, strict=True):
    content: list[_Token] | None = None


class _Message(BaseModel, strict=True):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel, strict=True):
    message: _Message
    finish_reason: str | None = None
    logprobs: Any = None


class _Usage(BaseModel, strict=True):
    total_tokens: int = Field(ge=0)


class _Completion(BaseModel, strict=True):
    """What is read of a chat completion; all else is passed over."""

    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None


@dataclass
class Server:
    """One judge's server. What it turns out to take is learnt on the way."""

    name: str
    settings: OpenaiJudge
    client: OpenAI
    ledger: Ledger
    key: str | None = field(repr=False, default=None)
    control: tuple[str, ...] = ()
    parameters: Parameters = field(init=False)
    takes_control: bool | None = None

    def __post_init__(self) -> None:
        """Begin with all parameters."""
        settings = self.settings
        given = {"temperature": 0, "seed": settings.seed, LIMIT: settings.max_tokens}
        if settings.logprobs is not False:
            given |= {"logprobs": True, "top_logprobs": settings.top_logprobs}
        self.parameters = given

    @property
    def identity(self) -> dict[str, Any]:
        """What shapes its replies."""
        return self.settings.model_dump(mode="json", exclude={*self.settings.manner, "prompts"})

    def ask(self, prompts: Sequence[str], arrived: Arrived) -> None:
        """Ask each prompt; `arrived` gets every reply at once, from any thread.

        After the first failure no further request is begun; those under way are waited for, and
        what arrives counts. Raises UserError, or TryAgain where the same may do well later.
        """
        stopped = Event()

        def one(place: int) -> None:
            if stopped.is_set():
                return
            try:
                arrived(place, self.reply(prompts[place]))
            except BaseException:
                stopped.set()
                raise

        with ThreadPoolExecutor(self.settings.concurrency) as pool:
            try:
                list(pool.map(one, range(len(prompts))))
            finally:  # by Ctrl-C as well
                stopped.set()

    def reply(self, prompt: str) -> Reply:
        """The reply to one prompt."""
        try:
            return self._tried(prompt)
        except MalformedError as error:
            said = f"what it replies is no chat completion ({error})"
            raise TryAgain(self._line(said, "try again later, or mend base_url")) from error
        except openai.APIStatusError as error:
            if error.status_code in REFUSED and self._takes_control():
                return Reply(self._said(error), rejected=True)
            self._give_up(error)
        except openai.APIError as error:
            self._give_up(error)

    def _tried(self, prompt: str) -> Reply:
        """The reply, asked for again while what comes is malformed."""
        pauses = tenacity.wait_random_exponential(multiplier=0.5, max=8)
        again = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(MalformedError),
            stop=tenacity.stop_after_attempt(1 + self.settings.retries),
            wait=pauses,
            reraise=True,
        )
        reply: Reply = again(self._asked, prompt)
        return reply

    def _asked(self, prompt: str) -> Reply:
        """The reply to one request, without such parameters as the server turns out not to take."""
        parameters = self.parameters
        while True:
            try:
                reply = self._once(prompt, parameters)
            except openai.APIStatusError as error:
                fewer = self._fewer(parameters, error)
                if fewer is None:
                    raise
                parameters = fewer
            else:
                self.parameters = parameters
                return reply

    def _fewer(self, given: Parameters, error: openai.APIStatusError) -> Parameters | None:
        """The parameters without the one that was refused; None where none of these is at fault."""
        if error.status_code not in (*REFUSED, FORBIDDEN):
            return None
        if error.param == LIMIT and LIMIT in given:
            return _without(given, LIMIT) | {NEW_LIMIT: given[LIMIT]}
        if error.param in OPTIONAL and error.param in given:
            return _without(given, error.param)
        if self.settings.logprobs == "auto" and LOGPROBS[0] in given:
            return _without(given, *LOGPROBS)
        return None

    def _once(self, prompt: str, parameters: Parameters) -> Reply:
        self.ledger.claim()
        raw = self.client.chat.completions.with_raw_response.create(
            model=self.settings.model,
            messages=[{"role": "user", "content": prompt}],
            **parameters,
        )
        reply = self._read(raw.content)
        self.ledger.add_tokens(reply.n_tokens or len(prompt) // CHARACTERS_PER_TOKEN)
        return reply

    def _read(self, body: bytes) -> Reply:
        try:
            completion = _Completion.model_validate_json(body)
        except ValidationError as error:
            first = error.errors(include_input=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise MalformedError(f"{place or 'its body'}: {first['msg']}") from None
        choice, usage = completion.choices[0], completion.usage
        text = choice.message.content or ""
        refused = choice.message.content is None and choice.message.refusal is not None
        return Reply(
            text=self._clean(choice.message.refusal or "" if refused else text),
            top=self._top(choice, text),
            n_tokens=usage.total_tokens if usage else None,
            rejected=refused or choice.finish_reason == "content_filter",
        )

    def _top(self, choice: _Choice, text: str) -> tuple[tuple[str, float], ...] | None:
        """Log-probabilities of the first token; None where there are none that can be such."""
        try:
            told = _Logprobs.model_validate(choice.logprobs or {}).content or []
            first = told[0] if told else _Token(token="")
            top = checked_top([(one.token, one.logprob) for one in first.top_logprobs])
            begins = _begins(text, first.token)
        except ValueError:
            top, begins = (), False
        if top and begins:
            return tuple((self._clean(token), logprob) for token, logprob in top)
        if self.settings.logprobs is True:
            text = "it gives no log-probabilities of the first token"
            raise UserError(self._line(text, f"set judges.{self.name}.logprobs to auto or false"))
        return None

    def _takes_control(self) -> bool:
        """Whether the server takes a harmless prompt, asked as all others are."""
        if self.takes_control is None:
            try:
                self._asked(CONTROL)
                self.takes_control = True
            except openai.APIStatusError as error:
                if error.status_code not in REFUSED:
                    raise
                self.takes_control = False
        return self.takes_control

    def _give_up(self, error: openai.APIError) -> NoReturn:
        """Raise what the client's error means."""
        if not isinstance(error, openai.APIStatusError):
            what = "does not reply in time" if isinstance(error, openai.APITimeoutError) else ""
            cause = self._clean(_one_line(str(error.__cause__ or error)))
            said = what or f"cannot be reached, or breaks off ({cause})"
            raise TryAgain(self._line(said, "see to the server, then run again")) from error
        status, said = error.status_code, self._said(error)
        if (status in PASSING or status >= 500) and error.code != QUOTA:
            raise TryAgain(self._line(said, "what was replied is kept: run again later")) from error
        raise UserError(self._line(said, self._mend(status))) from error

    def _mend(self, status: int) -> str:
        where = f"judges.{self.name}"
        variable = self.settings.key_variable
        key = f"set {variable} to a key that" if variable else f"name a key in {where}.key_variable"
        return {
            401: f"{key} it takes" if variable else key,
            403: f"{key} may use the model" if variable else key,
            404: f"mend {where}.model or {where}.base_url",
            429: "its quota is used up: pay for more, then run again",
        }.get(status, f"mend {where}")

    def _said(self, error: openai.APIStatusError) -> str:
        """Status and the server's own words, short, on one line and without the key."""
        body = error.body
        words = body.get("message") or body.get("detail") if isinstance(body, Mapping) else body
        return self._clean(f"HTTP {error.status_code}: {_one_line(str(words or 'no words'))}")

    def _line(self, said: str, mend: str) -> str:
        return f"judges.{self.name} ({self.settings.base_url}): {said}; {mend}"

    def _clean(self, text: str) -> str:
        return text.replace(self.key, "***") if self.key else text


def _without(parameters: Parameters, *names: str) -> Parameters:
    return {name: value for name, value in parameters.items() if name not in names}


def _begins(text: str, token: str) -> bool:
    """Whether a text may begin with this token; of bytes of a character nobody can tell."""
    bare = token.strip()
    return not bare.isascii() or text.lstrip().startswith(bare)


def _one_line(text: str) -> str:
    """Printable and short: a server's words are untrusted."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return plain if len(plain) <= LONGEST_LINE else plain[: LONGEST_LINE - 3] + "..."


def load(step: Step) -> Server:
    """The judge of a step's spec. Raises UserError where its key or its address is not set."""
    asked = dict(step.spec["judge"])
    name = asked.pop("name")
    settings = OpenaiJudge(**asked, **manner_of(name))
    address = address_of(name, settings.base_url)
    key = key_of(name, settings.key_variable)
    client = OpenAI(
        api_key=key or "none",
        base_url=address,
        max_retries=settings.retries,
        timeout=Timeout(settings.timeout, connect=min(settings.timeout, CONNECT_S)),
    )
    return Server(name, settings, client, ledger_of(name, settings.budget, replies_folder()), key)
