"""That the other tests would fail if a daemon broke without their noticing."""
import os
import signal
import smtplib

import pytest

from house import BUILD, House, wait_until


@pytest.mark.parametrize("program", ["smtpd", "imapd"])
def test_a_crash_does_not_pass_unseen(program):
    house = House(users=1)
    try:
        with smtplib.SMTP("127.0.0.1", house.smtp, timeout=20) as s:
            s.ehlo()
            os.kill(house.pids(program)[0], signal.SIGSEGV)
            wait_until(house.crashes)
    finally:
        with pytest.raises(AssertionError, match="signal|Sanitizer"):
            house.close()
    assert not os.path.exists(house.dir)


@pytest.mark.skipif(not BUILD.rstrip("/").endswith("-san"),
                    reason="needs a sanitizer")
def test_a_report_comes_out_of_the_jail():
    house = House(users=1)
    with smtplib.SMTP("127.0.0.1", house.smtp, timeout=20) as s:
        s.ehlo()
        # the first one, which serves us; others may only just begin
        os.kill(min(house.pids("smtpd")), signal.SIGSEGV)
        wait_until(lambda: "AddressSanitizer" in house.read("run",
                                                            "master.err"))
    house.crashes_allowed = True
    house.close()
