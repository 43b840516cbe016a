"""Where lungsight lies and where its results go, also as a module of another workflow. No rules here."""

import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.path_modifier import PathModifier
from snakemake.sourcecache import LocalSourceFile


def stop(message):
    """End with a message alone. Around that of an exception, Snakemake would put places in the workflow."""
    sys.exit(f"error: {message}")


def checked_out(source):
    """Lay the files of a commit into a folder below .snakemake, and name it after the module.

    Snakemake reads from a forge the files that it needs itself; the programs need their library beside them. The name
    stays when the commit changes, so that only what the change affects runs again.
    """
    import tarfile
    from contextlib import suppress
    from io import BytesIO
    from tempfile import TemporaryDirectory

    from git import Repo

    repository = source.hosted_repo.repo if hasattr(source, "hosted_repo") else Repo(source.repo_path)
    commit = repository.commit(source.ref).hexsha
    store = Path.cwd() / ".snakemake" / "lungsight"
    store.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=store) as unfinished:
        files, link = Path(unfinished) / "files", Path(unfinished) / "link"
        if not (store / commit).is_dir():
            archive = BytesIO()
            repository.archive(archive, commit)
            with tarfile.open(fileobj=BytesIO(archive.getvalue())) as tar:
                tar.extractall(files, filter="data")
            with suppress(OSError):  # another job of this run was faster
                files.rename(store / commit)
        link.symlink_to(commit)
        return link.replace(store / (workflow.modifier.namespace or "main"))


def repository_folder():
    """The folder of the repository, above workflow/. `workflow.basedir` would be that of the user's own workflow."""
    rules = workflow.current_basedir
    if isinstance(rules, LocalSourceFile):
        return Path(rules.path).resolve().parents[1]
    return checked_out(rules)


def below_prefix(config):
    """Put the `prefix` of a module statement before the results folder, and before no other path.

    Snakemake would put it before every relative input and output, the user's scans and the programs included, but not
    before the paths that a rule passes as parameters.
    """
    modifier = workflow.modifier.path_modifier
    workflow.modifier.path_modifier = PathModifier(None, None, workflow)
    folders = {key: config[key] for key in ("results", "out") if isinstance(config.get(key), str)}
    return config | {key: str(modifier.replace_prefix(folder)) for key, folder in folders.items()}


REPOSITORY = repository_folder()
if {"{", "}"} & set(str(REPOSITORY)):
    stop(f"lungsight lies in {REPOSITORY}, and Snakemake reads braces in that name as wildcards. Rename the folder.")
SCRIPTS = REPOSITORY / "workflow" / "scripts"
config = below_prefix(config)


def unrecorded(value):
    """A parameter that is no reason to run a job again: where something lies, not what it is.

    value: of every job, or a function of its wildcards. Snakemake does not record a parameter whose function takes the
    threads, since that may differ from machine to machine.
    """

    def given(wildcards, threads):
        return value(wildcards) if callable(value) else value

    return given


def program(name):
    """The program of a rule, wherever lungsight lies. Edits count through `code`."""
    return unrecorded(os.path.relpath(SCRIPTS / f"{name}.py"))


def repository_file(path):
    """A file that comes with lungsight, wherever it lies. Edits count through its digest."""
    return unrecorded(os.path.relpath(REPOSITORY / path))
