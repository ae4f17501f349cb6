"""The sinks of the settings: what a URL means, and one helpful line for each that is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from config_helpers import error_of

from gossip.config import load_settings
from gossip.config.sinks import Sink, SinkError, parse_sink
from tests.processes import ROOT

SAMPLES = ROOT / "config" / "collectors"
SPOOL = "log.spool_dir=/tmp/x"


@pytest.mark.parametrize(
    ("text", "sink"),
    [
        ("stdout", Sink("stdout")),
        ("stderr", Sink("stderr")),
        ("file:events.jsonl", Sink("file", target="events.jsonl")),
        ("file:/var/log/a b?.jsonl", Sink("file", target="/var/log/a b?.jsonl")),
        ("tcp://[::1]:9000", Sink("tcp", "::1", 9000)),
        ("tcp://h:9/?confirm=sent", Sink("tcp", "h", 9, options=(("confirm", "sent"),))),
        ("syslog+udp://10.0.0.9:514", Sink("syslog+udp", "10.0.0.9", 514)),
        ("http://h/in?x=1#gzip=no", Sink("http", "h", 80, "/in?x=1", (("gzip", "no"),))),
        ("https://h:9428", Sink("https", "h", 9428, "/")),
        ("loki+http://h:3100/p?label=a:b", Sink("loki+http", "h", 3100, "/p", (("label", "a:b"),))),
    ],
)
def test_a_url_names_a_sink(text: str, sink: Sink) -> None:
    assert parse_sink(text) == sink


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "expected stdout, stderr, file:/"),
        ("kafka://h:1", "expected stdout, stderr, file:/"),
        ("file:", "expected file:PATH"),
        ("file:///var/log/x", "expected file:PATH"),
        ("tcp://h", "expected tcp://host:port"),
        ("tcp://:9", "expected tcp://host:port"),
        (f"tcp://{'a' * 64}:9", "expected tcp://host:port"),
        ("tcp://a..b:9", "expected tcp://host:port"),
        ("tcp://h:99999", "expected a URL with a host and a port"),
        ("tcp://h:9/x", 'expected tcp://host:port with no path, found "/x"'),
        ("tcp://h:9#confirm=sent", "expected options after ?, found #confirm=sent"),
        ("tcp://h:9?confirm=maybe", 'option confirm: expected "close" or "sent", found "maybe"'),
        ("tcp://h:9?ca=/x", 'tcp has no option "ca"; expected "confirm"'),
        ("http://u:p@h/x", "expected no user or password"),
        ("http://h/a b", "expected a path of printable ASCII"),
        ("http://h/x#ca=/x", 'http has no option "ca"'),
        ("https://h/x#ca=", "option ca: expected the path of a file"),
        ("syslog+udp://h:1?facility=9", 'option facility: expected "kern" or'),
        ("syslog+udp://h:1?app=a%20b", "option app: expected 1 to 48 printable"),
        ("loki+http://h/x?label=job", "option label: expected NAME:VALUE"),
        ("loki+http://h/x?label=job:\udcff", "option label: expected NAME:VALUE"),
        ("http://h/a\tb", "expected a URL without line ends, tabs"),
        ("tcp://h\n:9", "expected a URL without line ends, tabs"),
    ],
)
def test_one_that_is_wrong_is_told_what_is_right(text: str, expected: str) -> None:
    with pytest.raises(SinkError) as caught:
        parse_sink(text)
    assert expected in str(caught.value)


def test_the_settings_take_any_number_of_them_from_a_file_or_the_command_line() -> None:
    assert load_settings(sets=["log.sinks=stdout,file:a,stderr"]).log.sinks == ("stdout", "file:a", "stderr")
    assert load_settings(sets=['log.sinks=["tcp://h:1"]', SPOOL]).log.sinks == ("tcp://h:1",)
    assert load_settings(sets=["log.sinks=tcp://h:1", "node.data_dir=x"]).log.spool_dir == ""
    assert load_settings(sets=["log.sinks=file:a"]).log.spool_dir == ""  # needs none


def test_mistakes_are_one_line() -> None:
    assert error_of(sets=["log.sinks=stdout,nowhere"]).startswith(
        '--set log.sinks=stdout,nowhere: "nowhere": '
    )
    assert "expected each sink once" in error_of(sets=["log.sinks=tcp://h:1,tcp://h:1?confirm=sent", SPOOL])
    assert "expected log.spool_dir or node.data_dir too" in error_of(sets=["log.sinks=tcp://h:1"])


@pytest.mark.parametrize("sample", sorted(SAMPLES.iterdir()), ids=lambda path: path.name)
def test_each_sample_names_sinks_that_there_are(sample: Path) -> None:
    """One that is for no sink says so by naming none."""
    for url in re.findall(r'log\.sinks = \["(.*)"\]', sample.read_text("utf-8")):
        assert not parse_sink(url).is_local


def test_the_documented_sinks_are_right() -> None:
    text = (ROOT / "docs" / "LOGGING.md").read_text("utf-8").replace("HOST", "h").replace("PORT", "1")
    found = re.findall(r"`((?:tcp|syslog\+\w+|https?|loki\+\w+)://[^` ]+)`", text)
    assert len(found) >= 8
    for url in found:
        parse_sink(url)


def test_keys_are_names_of_files_and_differ_with_the_target_but_not_with_the_options() -> None:
    one, other, same = map(parse_sink, ("http://h/a/b", "http://h/a_b", "http://h/a/b#gzip=no"))
    assert one.key == same.key != other.key
    assert "/" not in one.key and one.name == "http://h:80/a/b"
    assert parse_sink("tcp://[::1]:5").name == "tcp://[::1]:5"
