"""The Dockerfile and compose.yaml: their own commands, run as processes on addresses of loopback.

No container engine is needed, so what only one does (build, networks, volumes) is not tested here.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.processes import ROOT, environment, free_ports, settings, wait_until

DOCKERFILE, COMPOSE = (ROOT / name for name in ("Dockerfile", "compose.yaml"))
NODES = [f"node{n}" for n in range(1, 6)]


def instructions() -> list[tuple[str, str]]:
    lines = [line for line in DOCKERFILE.read_text().splitlines() if line and not line.startswith("#")]
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines]


def instruction(name: str) -> str:
    (found,) = (text for kind, text in instructions() if kind == name)
    return found


def command(text: str, cwd: Path) -> list[str]:
    """Read the JSON form of a command; the image's Python is ours, and its folders are in `cwd`."""
    words: list[str] = json.loads(text)
    assert words[0] == "python"
    return [sys.executable, *(word.replace("/data", str(cwd / "data")) for word in words[1:])]


def service(name: str, key: str) -> Any:
    """Return what compose.yaml says of a service in one line of JSON."""
    (section,) = re.findall(rf"^  {name}:\n((?:    .*\n)+)", COMPOSE.read_text(), re.MULTILINE)
    (text,) = re.findall(rf"^    {key}: (.*)$", section, re.MULTILINE)
    return json.loads(text)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Make what the image holds: only what .dockerignore lets through, and the Dockerfile copies."""
    folder = tmp_path / "image"
    folder.mkdir()
    allowed = re.findall(r"^!(.*)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    for text in (text for kind, text in instructions() if kind == "COPY"):
        *sources, target = text.split()
        for source in sources:
            assert source in allowed
            if (ROOT / source).is_dir():
                ignore = shutil.ignore_patterns("__pycache__")
                shutil.copytree(ROOT / source, folder / target, ignore=ignore)
            else:
                shutil.copy(ROOT / source, folder / target)
    return folder


def test_what_is_installed_is_pinned_and_copied(image: Path) -> None:
    (install,) = (text for kind, text in instructions() if kind == "RUN" and "pip" in text)
    name = json.loads(install)[-1]
    for file in (name, "requirements.txt"):
        lines = (image / file).read_text().splitlines()
        wanted = [line for line in lines if line and not line.startswith(("#", "-r "))]
        assert wanted and all(re.fullmatch(r"[\w.]+==[\w.]+", line) for line in wanted)


def test_the_image_has_all_that_its_commands_need(image: Path) -> None:
    for text in (text for kind, text in instructions() if kind == "RUN" and "compileall" in text):
        subprocess.run(command(text, image), cwd=image, check=True)
        assert list(image.glob("gossip/core/__pycache__/node.*.pyc"))
    started = [*command(instruction("ENTRYPOINT"), image), *json.loads(instruction("CMD"))]
    done = subprocess.run(
        [*started, "--check-config"], cwd=image, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("OK: a node known as 127.0.0.1:5001\n")
    assert instruction("STOPSIGNAL") == "SIGTERM"
    assert instruction("USER").isdigit()


class Container:
    """One service of compose.yaml as a process: 172.30.x.y is 127.30.x.y, and ports are other ones."""

    def __init__(self, name: str, image: Path, gossip: int, http: int) -> None:
        def here(word: str) -> str:
            word = re.sub(r"node(\d)\.gossip", r"127.30.0.1\1", word)
            word = word.replace("172.30.", "127.30.").replace(":5101", f":{http}")
            return word.replace(":5001", f":{gossip}")

        self.cwd = image
        self.home = image.parent / name
        self.home.mkdir()
        self.healthz = here(service(name, "environment")["HEALTHZ"])
        args = [*command(instruction("ENTRYPOINT"), self.home), *map(here, service(name, "command"))]
        with (self.home / "out").open("wb") as out:
            self.popen = subprocess.Popen(
                [*args, *settings(gossip__interval_s=0.2, control__socket="")],
                cwd=image,
                env=environment(self.home),
                stdout=out,
                stderr=out,
            )

    def members(self) -> set[str]:
        url = self.healthz.replace("/healthz", "/members")
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return {member["address"] for member in json.load(answer)}
        except OSError:  # not yet
            return set()

    def is_well(self) -> bool:
        check = instruction("HEALTHCHECK").partition("CMD ")[2]
        env = {**environment(self.home), "HEALTHZ": self.healthz}
        return subprocess.run(command(check, self.home), cwd=self.cwd, env=env, check=False).returncode == 0


@pytest.fixture
def cluster(image: Path) -> Iterator[list[Container]]:
    ports = free_ports(2)
    running: list[Container] = []
    try:
        for name in NODES:
            running.append(Container(name, image, *ports))
        yield running
    finally:
        for one in running:
            one.popen.kill()
            one.popen.wait()


def test_the_five_services_of_compose_become_one_cluster(cluster: list[Container]) -> None:
    wait_until(
        lambda: all(len(one.members()) == len(NODES) for one in cluster),
        lambda: "\n".join((one.home / "out").read_text()[-1000:] for one in cluster),
    )
    assert len({frozenset(one.members()) for one in cluster}) == 1
    first, second = cluster[:2]
    assert first.is_well()
    first.popen.send_signal(signal.SIGTERM)
    assert first.popen.wait(20) == 0
    assert list((first.home / "data").glob("*.json"))
    assert second.is_well() and not first.is_well()


def test_each_service_has_its_own_addresses_and_data_and_is_scraped() -> None:
    text = COMPOSE.read_text()
    scraped = (ROOT / "config" / "collectors" / "compose.yml").read_text()
    for n, name in enumerate(NODES, 1):
        words = service(name, "command")
        assert words[words.index("--listen") + 1] == f"172.30.0.1{n}:5001"
        assert service(name, "volumes") == [f"{name}:/data"]
        assert f"gossip: {{ipv4_address: 172.30.0.1{n}, aliases: [{name}.gossip]}}" in text
        assert f"watch: {{ipv4_address: 172.30.1.1{n}}}" in text
        assert f"- 172.30.1.1{n}:5101\n" in scraped
