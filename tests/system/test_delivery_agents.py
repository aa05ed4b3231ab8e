"""Mail on its whole way to the delivery agents."""
import os

import pytest


@pytest.mark.peer
@pytest.mark.root
def test_sent_stored_and_thrown_away(make_instance, make_sink):
    sink = make_sink()
    mta = make_instance({"relayhost": sink.nexthop, "virtual_mailbox_domains": "v.example",
                         "virtual_uid_maps": "static:2001", "virtual_gid_maps": "static:2001"})
    box = mta.directory / "box"
    box.mkdir()
    os.chown(box, 2001, 2001)
    (mta.etc / "boxes").write_text("dir@v.example dir/\nfile@v.example file\n")
    (mta.etc / "transport").write_text("d.example discard:away\n")
    mta.set_main(virtual_mailbox_base=box, virtual_mailbox_maps=f"texthash:{mta.etc}/boxes",
                 transport_maps=f"texthash:{mta.etc}/transport")
    mta.start()
    with mta.smtp() as client:
        client.command("EHLO here", 250)
        client.transaction("a@x.example", ["b@y.example", "dir@v.example", "file@v.example", "z@d.example"],
                           "Subject: hi\r\n\r\n.hello\r\n")
    for address, how in {"b@y.example": rf"relay=127.0.0.1\[127.0.0.1\]:{sink.port}, .*status=sent \(250 ",
                         "dir@v.example": r"relay=virtual, .*status=sent \(delivered to maildir\)",
                         "file@v.example": r"relay=virtual, .*status=sent \(delivered to mailbox\)",
                         "z@d.example": r"relay=none, .*status=sent \(away\)"}.items():
        mta.wait_log(rf"to=<{address}>, {how}")
    mta.wait_log("qmgr.*: removed")
    assert sink.wait_for(1)[0].recipients == ["b@y.example"]
    texts = [next((box / "dir/new").iterdir()).read_text(), (box / "file").read_text()]
    assert all(text.rstrip("\n").endswith("\n\n.hello") and "Delivered-To: " in text for text in texts)
    assert texts[1].startswith("From a@x.example  ")
