"""The edit by which a deployed nginx config can run beside others: in its text, at the token; the rest is the user's.

Rules: addresses lead to where the harness has it, and nobody else's is listened on or asked; certificates are thrown
away afterwards; what the harness sees to itself (OURS), and what may not be here and changes nothing, is taken out;
every directive stays on its line, so that nginx's complaints can be led back to the file they are about. Placeholders
that are there stay what they are.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set
from pathlib import Path

from harness.proxies import placeholders
from harness.proxies.languages.base import Fitted, looked_in
from harness.proxies.languages.secrets import masked_blocks
from harness.proxies.nginx_config import DATA, escaped
from harness.proxies.nginx_deployed import Deployed, Listen, default_of
from harness.proxies.nginx_language import Directive, Word
from harness.proxies.nginx_modules import ANSWERS, FILTERS, SERVES_FILES
from harness.proxies.nginx_targets import Span, Target
from harness.proxies.source_text import Source
from harness.resources import is_file

PATHS = "${FOLDER}/paths.conf"
NOBODY = "127.0.0.1:1"
"""An address that nobody listens on, that of a target which stands for nothing; a socket's path may be too long."""

OURS = re.compile(
    r"daemon|pid|user|lock_file|working_directory|error_log|access_log|resolver|auth_request(_set)?|\w+_temp_path|\w+_ssl_verify"
)
OTHERS = ("stream", "mail")  # blocks that serve no HTTP
FILES = re.compile(r"js_(import|path)|auth_basic_user_file|ssl_(dhparam|crl|password_file)|\w+_certificate(_key)?")
TLS = re.compile(r"ssl_(dhparam|crl)|ssl_trusted_certificate|\w+_ssl_(trusted_)?certificate(_key)?")
"""Of these, those that change nothing that is measured."""
CERTIFICATES = {"ssl_certificate": "${CERTIFICATE}", "ssl_certificate_key": "${CERTIFICATE_KEY}"}

_OF_ITS_ADDRESS = re.compile(r"reuseport|bind|proxy_protocol|quic|deferred|(ipv6only|fastopen|so_keepalive|setfib)=.*")
"""What a `listen` says of an address that is not ours, or asks of who comes to it through another."""
_DEFAULT = ("default_server", "default")

Spans = dict[tuple[int, int], str]


class Edited:
    """A config's texts as this nginx is to read them, but for placeholders: `texts` by where they belong.

    `modules` is the folder that nginx was built for, where its modules lie; `upstream_scheme` how the next hop is
    spoken to.
    """

    def __init__(self, deployed: Deployed, modules: str, upstream_scheme: str = "http") -> None:
        self.deployed = deployed
        self.missing_modules: list[Directive] = []
        self._config = deployed.config
        self._modules = modules
        self._scheme = upstream_scheme
        self._spans: dict[Path, Spans] = defaultdict(dict)
        self._in_effect = set(_walk(self._config.top, deployed.aside))
        self._sockets = {one.address: self._socket(one) for one in deployed.listens}
        gone: list[Directive] = []
        for directive, inside in self._config.walk():
            if directive.name in OTHERS and not inside and directive.opens_block:
                self._take_out(directive)
                gone += [one for one, _ in directive.walk()]
            elif inside not in DATA and directive not in gone:
                self._usual(directive, inside)
        for listen in deployed.listens:
            self._listen(listen)
        for target in deployed.targets.all():
            self._target(target)

    @property
    def texts(self) -> Mapping[Source, str]:
        """Every file that the config has, as it is to be read."""
        return {source: source.edited(self._spans[path]) for path, source in self._config.sources.items()}

    def fitted(self) -> Fitted:
        """Return it as it can stand in a chain; what we wrote around a part is no change of the user's."""
        deployed, config, texts = self.deployed, self._config, self.texts
        main = config.sources[config.main]
        return Fitted(
            {main: texts[main], **texts},
            {source: config.where(source.path) for source in (main, *texts)},
            deployed.path,
            deployed.host,
            deployed.with_tls,
            deployed.served_by(),
            frozenset({main} if config.is_wrapped else ()),
            quote=escaped,
            masked=masked_blocks,
            folders=looked_in(config.patterns()),
        )

    def _edit(self, directive: Directive, span: tuple[int, int], text: str) -> None:
        self._spans[directive.source.path][span] = text

    def _take_out(self, directive: Directive) -> None:
        self._edit(directive, (directive.start, directive.close), "")

    def _word(self, directive: Directive, word: Word, text: str) -> None:
        self._edit(directive, (word.start, word.end), text)

    def _drop(self, directive: Directive, word: Word) -> None:
        """Take out a word, with what is between it and the one before."""
        before = directive.words[directive.words.index(word) - 1]
        self._edit(directive, (before.end, word.end), "")

    # ------------------------------------------------------------ what is edited wherever it stands

    def _usual(self, directive: Directive, inside: str) -> None:
        name = directive.name
        if not directive.opens_block and (OURS.fullmatch(name) or self._changes_nothing(directive)):
            self._take_out(directive)
        elif name == "include":
            self._include(directive)
        elif name == "http" and not inside and not self._has_paths():
            self._edit(directive, (directive.end, directive.end), f' include "{PATHS}";')
        elif len(directive.words) < 2 or directive.opens_block or placeholders.asked(directive.arguments):
            return
        elif name in CERTIFICATES:
            self._word(directive, directive.words[1], f'"{CERTIFICATES[name]}"')
        elif name == "load_module":
            self._module(directive)
        elif FILES.fullmatch(name):
            self._file(directive)
        elif name.endswith("_cache_path"):
            folder = re.sub(r"\W+", "-", directive.argument).strip("-")
            self._word(directive, directive.words[1], f'"${{FOLDER}}/{folder}"')

    def _changes_nothing(self, directive: Directive) -> bool:
        """Whether it is of a module that this nginx may lack, and says nothing of the answer that is asked for."""
        name = directive.name
        if FILTERS.fullmatch(name):
            return directive not in self._in_effect
        answering = self.deployed.answering.directive if self.deployed.answering else self.deployed.server.directive
        answers = ANSWERS.fullmatch(name) and directive not in answering.children(name)
        return bool(answers or SERVES_FILES.fullmatch(name))

    def _has_paths(self) -> bool:
        return any([directive.name, *directive.arguments] == ["include", PATHS] for directive, _ in self._config.walk())

    def _include(self, directive: Directive) -> None:
        """Have an include mean our copies. Relative ones do, as those are laid out alike."""
        if "${" in directive.argument or len(directive.words) != 2:
            return
        if self._config.is_needless(directive):
            self._take_out(directive)
            return
        given = Path(directive.argument)
        if given.is_absolute() or ".." in given.parts:
            included = map(self._config.where, self._config.included(directive))
            text = " ".join(f'include "{escaped(file)}";' for file in included)
            self._edit(directive, (directive.start, directive.end), text)

    def _module(self, directive: Directive) -> None:
        file = Path(self._modules, directive.argument)
        if is_file(file):
            self._word(directive, directive.words[1], f'"{escaped(file)}"')
        else:
            self.missing_modules.append(directive)
            self._take_out(directive)

    def _file(self, directive: Directive) -> None:
        """Have a file found beside the user's config, unless it says itself where it is."""
        word = directive.words[-1]
        if re.match(r"\$|\w+:|off$", word.said):
            return
        named = self._config.in_copy(word.said)
        file = self._config.root.resolve() / (named if named is not None else word.said)
        if named is not None and not is_file(file):
            file = Path(word.said)
        if TLS.fullmatch(directive.name) and not is_file(file):
            self._take_out(directive)
        elif str(file) != word.said:
            self._word(directive, word, f'"{escaped(file)}"')

    # ------------------------------------------------------------ where it listens

    def _socket(self, listen: Listen) -> str:
        """Return where an address of the config's own is listened on: what is asked has our port, all else a socket,
        whose name has dots between short words, so that none looks like a secret.
        """
        if listen.address == self.deployed.asked.address:
            return "${LISTEN}"
        if listen.is_marked or listen.address.startswith("unix:${FOLDER}"):
            return listen.address
        host, _, port = listen.address.rpartition(":")
        name = re.sub(r"\W+", ".", f"{host.replace('[::]', 'v6').replace('*', '')}.{port}").strip(".")
        return f"unix:${{FOLDER}}/{name}{'.quic' if 'quic' in listen.options else ''}.sock"

    def _listen(self, listen: Listen) -> None:
        address, directive = self._sockets[listen.address], listen.directive
        if "quic" in listen.options and not address.startswith("unix:"):
            address = f"unix:${{FOLDER}}/{listen.port}.quic.sock"
        if directive is None:
            block = listen.server.directive
            default = " default_server" if self._is_made_default(listen) else ""
            self._edit(block, (block.end, block.end), f" listen {_quoted(address)}{default};")
            return
        if not placeholders.asked([directive.argument]):
            self._word(directive, directive.words[1], _quoted(address))
        for word in directive.words[2:]:
            stands_down = word.said in _DEFAULT and address == "${LISTEN}" and listen.server != self.deployed.server
            if _OF_ITS_ADDRESS.fullmatch(word.said) or stands_down:
                self._drop(directive, word)
        if self._is_made_default(listen):
            last = directive.words[-1]
            self._edit(directive, (last.end, last.end), " default_server")

    def _is_made_default(self, listen: Listen) -> bool:
        """Whether it has to be made the default of our address: who asks may call the server by another name."""
        there = [one for one in self.deployed.listens if self._sockets[one.address] == "${LISTEN}"]
        mine = [one for one in there if one.server == self.deployed.server]
        return listen == mine[0] and default_of(there).server != self.deployed.server

    # ------------------------------------------------------------ where it passes requests on to

    def _target(self, target: Target) -> None:
        stands = target in self.deployed.backends
        if stands:
            for span in target.schemes:
                if span.scheme != self._scheme:
                    self._edit(span.of, (span.start, span.start + len(span.scheme)), self._scheme)
        for span in target.spans if stands or not self.deployed.is_written_for_us else []:
            if not placeholders.asked([span.word.raw]):
                address = "${UPSTREAM_ADDRESS}" if stands else self._own(span.address)
                self._address(span, address, stands)
        for word, one in self._options_of(target):
            self._drop(one, word)

    def _own(self, address: str) -> str:
        """Return where an address leads that stands for nothing: to a server of this config's own, or to nobody."""
        host, _, port = address.rpartition(":")
        if host in ("127.0.0.1", "localhost", "[::1]"):
            there = (self._sockets.get(f"{one}:{port}") for one in (host, "*", "[::]"))
            return next(filter(None, there), NOBODY)
        return NOBODY

    def _address(self, span: Span, address: str, stands: bool) -> None:
        scheme = self._scheme if stands and span.scheme else span.scheme
        text = f"{scheme}://{address}" if scheme else address
        raw, at = span.word.raw, span.word.start
        behind = raw[span.end - at :]
        if scheme and address.startswith("unix:") and behind.strip("\"'"):
            text += ":"
        whole = raw[: span.start - at] + text + behind
        self._word(span.of, span.word, whole if raw[0] in "\"'" else _quoted(whole))

    def _options_of(self, target: Target) -> Iterator[tuple[Word, Directive]]:
        """Yield what an upstream's servers say of names that are none any more."""
        for span in target.spans if target.upstream else []:
            for word in span.of.words[2:]:
                if re.fullmatch(r"resolve|service=.*", word.said):
                    yield word, span.of


def _walk(there: Iterable[Directive], aside: Set[Directive]) -> Iterator[Directive]:
    """Yield directives and all that is below them, but for what stands in blocks that are aside."""
    for one in there:
        yield one
        if one not in aside:
            yield from _walk(one.inner, aside)


def _quoted(text: str) -> str:
    """Return a word in quotes if what stands for a placeholder of it may have blanks."""
    return f'"{text}"' if "${FOLDER}" in text else text
