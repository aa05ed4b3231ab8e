"""Every program, option and parameter has its place in the manual, and the pages are well-formed."""
import re
import shutil
import subprocess

import pytest

from harness.instance import BUILD, ROOT


@pytest.fixture(scope="module")
def manual(tmp_path_factory):
    """The pages by name, "smtpd.8", as they are installed."""
    folder = tmp_path_factory.mktemp("man")
    subprocess.run(["sh", ROOT / "docs/man/generate", folder], check=True)
    return {page.name: page for page in sorted(folder.glob("man?/*"))}


def text_of(manual, name):
    assert name in manual, f"docs/man/{name} is missing"
    return manual[name].read_text()


def programs(folder, section):
    return [f"{path.name}.{section}" for path in sorted((BUILD / folder).iterdir())]


def declarations(word):
    for path in sorted([*ROOT.glob("mail/config/*.def"), *ROOT.glob("*/*.def")]):
        text = path.read_text()
        if word == "PARAMETER":
            yield from re.findall(r"^PARAMETER\(\w+, (\w+)", text, re.M)
            for smtp, lmtp in re.findall(r'^CLIENT\(\w+, \w+,\s+(\w+),\s+"[^"]*",\s+(\w+),', text, re.M):
                yield from (smtp, lmtp)
        else:
            yield from re.findall(r"^PARAMETER_RESERVED(?:_RAW)?\((\w+)", text, re.M)


def options_on(page):
    """Those that have an item of their own: .It Fl d Ar id, or .It Fl n , Fl o."""
    return set("".join(re.findall(r"Fl (\S)", "".join(re.findall(r"^\.It .*\n", page, re.M)))))


def options_of(source):
    found = re.findall(r"(?:getopt(?:_long)?\(argc, argv, |\.options = )\"([^\"]+)\"", source.read_text())
    return set("".join(found)) - {":", "+"}


@pytest.mark.parametrize("name", programs("sbin", 1) + programs("libexec", 8))
def test_every_program_has_a_page(manual, name):
    assert text_of(manual, name)


def long_options_of(source):
    text = source.read_text()
    if "QUEUE_SELECTION_OPTIONS" in text:
        text += (ROOT / "cli/queue_selection.h").read_text()
    return set(re.findall(r'\{"([a-z-]+)", \w+_argument', text))


@pytest.mark.parametrize("name", programs("sbin", 1))
def test_every_long_option_is_on_its_page(manual, name):
    page = text_of(manual, name).replace("\\-", "-")
    for source in ROOT.glob(f"cli/{name[:-2]}_main.c"):
        assert long_options_of(source) <= set(re.findall(r"Fl -([a-z-]+)", "".join(re.findall(r"^\.It .*\n", page, re.M))))


@pytest.mark.parametrize("name", programs("sbin", 1) + ["master.8"])
def test_every_option_is_on_its_page(manual, name):
    for source in ROOT.glob(f"*/{name[:-2]}_main.c"):
        assert options_of(source) <= options_on(text_of(manual, name))


def test_options_of_services_are_on_masters_page(manual):
    _, _, services = text_of(manual, "master.8").partition(".Sh SERVICES")
    assert options_of(ROOT / "mail/service/arguments.c") <= options_on(services)


def test_every_parameter_is_in_postconf_5(manual):
    page = text_of(manual, "postconf.5")
    in_force, _, without_effect = page.partition(".Sh KNOWN")
    without_effect, _, index = without_effect.partition(".Sh INDEX")
    names = list(declarations("PARAMETER"))
    assert len(names) > 200
    taken_over = set(names)
    for name in names:
        assert f".It Cm {name} No = " in in_force, name
        assert f".It Cm {name} No (" in index, name
    for name in declarations("RESERVED"):
        assert name in taken_over or f".It Cm {name} No = " in without_effect, name


def test_every_service_lists_its_parameters(manual):
    for path in ROOT.glob("*/*.def"):
        names = re.findall(r"^PARAMETER\(\w+, (\w+)", path.read_text(), re.M)
        pages = [page.read_text() for name, page in manual.items() if name.endswith(".8")]
        assert any(all(f".It Cm {name} No = " in page for name in names) for page in pages) or path.stem == "smtp", path


def test_every_table_type_restriction_and_answer_is_described(manual):
    tables, access = text_of(manual, "tables.5"), text_of(manual, "access.5")
    for name in re.findall(r'^    \{"(\w+)", FUNCTIONS', (ROOT / "util/table/registry.c").read_text(), re.M):
        assert re.search(rf"^\.It.*\b{name}\b", tables, re.M), name
    legacy = {"reject_unknown_client", "reject_non_fqdn_hostname", "reject_invalid_hostname"}
    names = re.findall(r"^RESTRICTION\((\w+), ", (ROOT / "mail/restriction/restriction.def").read_text(), re.M)
    names += re.findall(r'^    \{"(\w+)", ', (ROOT / "smtpd/access.c").read_text(), re.M)
    assert len(names) > 40
    for name in names:
        assert name in legacy or re.search(rf"^\.(It|Cm).*\b{name}\b", access, re.M), name


def test_pages_are_well_formed(manual):
    for page in manual.values():
        if shutil.which("mandoc"):
            lint = subprocess.run(["mandoc", "-Tlint", "-W", "warning", page], capture_output=True, text=True)
            assert lint.stdout == "", lint.stdout
        if shutil.which("groff"):
            groff = subprocess.run(["groff", "-mdoc", "-ww", "-W", "break", "-z", page], capture_output=True, text=True)
            assert groff.stderr == "", groff.stderr
