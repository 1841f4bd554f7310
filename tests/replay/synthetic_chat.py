"""Ten minutes of synthetic chat, as a file, and the command that plays it."""

import io
import os
from pathlib import Path

import numpy as np
from typer import Typer
from typer.testing import CliRunner

from replay.commands.replay import command

app = Typer()
app.command()(command)


def replay(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(arguments), env={"XDG_CACHE_HOME": os.devnull})  # keeps no checkpoints
    return result.exit_code, result.stdout, result.stderr


def chat(folder: Path) -> Path:
    """4 requests a second, and 9 from the fifth minute on: 2 to 4 replicas of 8b-l4."""
    random = np.random.default_rng(3)
    arrival_s = np.concatenate([np.sort(random.uniform(0, 300, 1200)), np.sort(random.uniform(300, 600, 2700))])
    rows = io.StringIO("")
    rows.write("arrival_s,prompt_tokens,output_tokens\n")
    for at_s, prompt, output in zip(
        arrival_s, random.integers(100, 800, 3900), random.integers(20, 200, 3900), strict=True
    ):
        rows.write(f"{at_s:.3f},{prompt},{output}\n")
    path = folder / "chat.csv"
    path.write_text(rows.getvalue())
    return path


POLICY = """\
apiVersion: outrider.dev/v1alpha1
kind: ScalingPolicy
metadata: {name: chat, namespace: llm}
spec:
  target: {name: chat-vllm}
  slo: {queueWait: 2s, attainment: 95%}
  profile: 8b-l4
  maxReplicas: 6
"""
