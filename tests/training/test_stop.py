import signal

from hclip_jax.training.stop import StopRequest, exit_status


def test_a_relayed_signal_and_a_direct_one_are_one_request():
    """A scheduler signals every worker: one that heard of it from another must not die of its own signal."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with StopRequest() as stop:
            stop._notice(signal.SIGTERM)
            assert stop.is_asked()
            signal.raise_signal(signal.SIGTERM)  # would end the process, had the handler been taken back
            assert stop.received == signal.SIGTERM
            assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL  # a second one would
    finally:
        signal.signal(signal.SIGTERM, before)


def test_exit_status():
    stop = StopRequest()
    assert exit_status(**stop.requests()) == 0
    stop._notice(signal.SIGINT)
    stop._notice(signal.SIGTERM)  # the first counts
    assert stop.requests() == {"stop": False, "interrupt": True}
    assert stop.stopped(3, exit_status(**stop.requests())).status == 130


def test_the_machine_counts_more_than_a_person():
    """Different signals to different processes: the sums of their requests are the same everywhere."""
    assert exit_status(stop=1, interrupt=2) == 143
    assert exit_status(stop=0, interrupt=2) == 130
