"""Keeps workers of many sources at work, kills them again and again, and edits what they read meanwhile."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from notion_pipeline_tests.support.processes.many_workers import Account, ManyWorkers
from notion_pipeline_tests.support.sync.crash_child import POINTS


@dataclass
class Crowd:
    """Threads that keep a worker each at work, and kill it again and again."""

    shared: ManyWorkers
    rounds: int
    kills: int
    seed: int = 1
    errors: list[str] = field(default_factory=list)
    finished: int = 0
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self, workers_each: int) -> None:
        for account in self.shared.accounts:
            for number in range(workers_each):
                home = f"{account.source} worker {number}"
                aims = random.Random(f"{self.seed} {home}")
                thread = threading.Thread(target=self._work, args=(account, home, aims), daemon=True)
                self._threads.append(thread)
                thread.start()

    @property
    def is_at_work(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def _work(self, account: Account, home: str, aims: random.Random) -> None:
        try:
            kills = 0
            for _ in range(self.rounds):
                while (code := self._run(account, home, aims if kills < self.kills else None)) == -signal.SIGKILL:
                    kills += 1
                    account.kills += 1
                if code != 0:
                    return
                self.finished += 1
        except BaseException as error:
            self.errors.append(f"{home}: {error!r}")

    def _run(self, account: Account, home: str, aims: random.Random | None) -> int:
        """Runs one process, with an aim to kill it or without; its exit code."""
        if aims is None:
            worker = self.shared.start(account, home)
            code = worker.wait()
        elif aims.random() < 0.5:
            at = len(account.ws.requests) + aims.randint(1, 40)
            worker = self.shared.start(account, home)
            code = worker.wait(lambda: len(account.ws.requests) >= at)
            if code is None:
                worker.kill()
                code = worker.process.wait()
        else:
            worker = self.shared.start(account, home, point=aims.choice(POINTS), times=aims.randint(1, 8))
            code = worker.wait()
        assert code is not None
        if code not in (0, -signal.SIGKILL):
            self.errors.append(f"{home} ended with {code}:\n{worker.log[-6000:]}")
        return code


def edit(accounts: Sequence[Account], choice: random.Random) -> None:
    """Somebody edits a few rows of a workspace, and adds one."""
    ws = choice.choice(accounts).ws
    ws.clock.advance(timedelta(minutes=1))
    source = choice.choice(list(ws.databases.values())).data_source
    for page in choice.sample(list(source.pages), 2):
        ws.edit_page(page, {"Name": f"Edited {choice.random()}"})
    source.add_page({"Name": "New", "Effort": choice.random(), "State": "Done"})
