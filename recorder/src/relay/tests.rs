use std::io::ErrorKind;

use super::*;

/// A peer whose every read fails, and that takes whatever is written.
struct Failing(ErrorKind);

impl AsyncRead for Failing {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(self.0.into()))
    }
}

impl AsyncWrite for Failing {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn what_tcp_gave_up_is_no_orderly_end() {
    for (kind, is_reset) in [
        (ErrorKind::ConnectionReset, true),
        (ErrorKind::TimedOut, true),
        (ErrorKind::HostUnreachable, true),
        (ErrorKind::NetworkUnreachable, true),
        // TLS that ends without a farewell, and TLS that cannot be read.
        (ErrorKind::UnexpectedEof, false),
        (ErrorKind::InvalidData, false),
    ] {
        let (mut client, _other_end) = tokio::io::duplex(64);
        let end = relay(&mut client, &mut Failing(kind), None, &Passed::default(), None).await;
        let expected = if is_reset { RelayEnd::Reset(Direction::Response) } else { RelayEnd::Over };
        assert_eq!(end, expected, "{kind}");
    }
}

/// Far beyond any test.
const LONG: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn an_idle_relay_ends_when_nothing_moved_for_so_long() {
    let mut idle = Idle::new(Duration::from_millis(5));
    let moves_at = Instant::now() + LONG;
    std::future::poll_fn(|cx| {
        assert!(idle.poll(cx, Some(moves_at)).is_pending());
        // The timer has fired, and is set to what moved meanwhile.
        if idle.timer.deadline() >= moves_at { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    let (mut client, _client) = tokio::io::duplex(64);
    let (mut upstream, _upstream) = tokio::io::duplex(64);
    let end = relay(&mut client, &mut upstream, None, &Passed::default(), Some(Duration::from_millis(5))).await;
    assert_eq!(end, RelayEnd::Idle);
    // Who asked first need not be who waits.
    let mut idle = Idle::new(Duration::from_millis(5));
    assert!(idle.poll(&mut Context::from_waker(Waker::noop()), None).is_pending());
    let over = tokio::time::timeout(LONG / 60, std::future::poll_fn(|cx| idle.poll(cx, None)));
    assert!(over.await.is_ok());
}
