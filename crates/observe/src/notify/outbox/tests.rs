//! An outbox, receivers of webhooks, and crashes in between.

use std::collections::BTreeSet;

use jiff::Timestamp;
use object_store::memory::InMemory;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;
use crate::notify::{Channel, Notification, Occasion};

/// A receiver of webhooks that answers with a status, and the bodies that it was sent.
async fn receiver(status: &'static str) -> (Sender, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (sender, received) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = String::new();
            while !request.contains("\"mrkdwn\"}]") && !request.ends_with("}]}") {
                let mut part = [0; 4096];
                let read = stream.read(&mut part).await.unwrap();
                request.push_str(&String::from_utf8_lossy(&part[..read]));
                if read == 0 {
                    break;
                }
            }
            sender.send(request).unwrap();
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let on = BTreeSet::from([Occasion::Failure]);
    let notification = Notification { channel: Channel::Webhook { url }, on, pipelines: None };
    (Sender::of(&notification, |_| None).unwrap().remove(0), received)
}

fn message(id: &str, occasion: Occasion) -> Message {
    let (title, text) = ("shop <failed>".to_owned(), "load: no such file".to_owned());
    Message {
        id: id.into(),
        occasion,
        pipeline: Some("shop".into()),
        run_id: None,
        title,
        text,
        at: Timestamp::now(),
    }
}

fn outbox() -> Outbox {
    Outbox::new(Arc::new(InMemory::new()))
}

fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

/// An instant before every message.
fn before() -> i64 {
    now() - 3_600_000
}

const SENT: Delivery = Delivery { sent: 1, failed: 0, waiting: 0 };
const FAILED: Delivery = Delivery { sent: 0, failed: 1, waiting: 0 };
const WAITING: Delivery = Delivery { sent: 0, failed: 0, waiting: 1 };
const NOTHING: Delivery = Delivery { sent: 0, failed: 0, waiting: 0 };

#[tokio::test]
async fn a_message_is_put_once_and_sent_once() {
    let (sender, mut received) = receiver("200 OK").await;
    let outbox = outbox();
    assert!(outbox.put(&message("failure-r1-3", Occasion::Failure)).await.unwrap());
    assert!(!outbox.put(&message("failure-r1-3", Occasion::Failure)).await.unwrap());
    outbox.put(&message("late-r1-3", Occasion::Late)).await.unwrap();
    let senders = [sender];
    outbox.open(&senders, before()).await.unwrap();
    assert_eq!(outbox.deliver(&senders, now()).await.unwrap(), SENT);
    assert_eq!(outbox.deliver(&senders, now()).await.unwrap(), NOTHING);
    let request = received.try_recv().unwrap();
    assert!(request.contains("idempotency-key: failure-r1-3"), "{request}");
    assert!(
        request.contains("shop &lt;failed&gt;") && request.contains("message failure-r1-3\""),
        "{request}"
    );
    assert!(received.try_recv().is_err());
}

#[tokio::test]
async fn a_refused_message_stays_and_is_tried_again_after_a_pause() {
    let (sender, mut received) = receiver("500 Oops").await;
    let outbox = outbox();
    outbox.put(&message("failure-r1-3", Occasion::Failure)).await.unwrap();
    let senders = [sender];
    outbox.open(&senders, before()).await.unwrap();
    let begun = now();
    assert_eq!(outbox.deliver(&senders, begun).await.unwrap(), FAILED);
    assert_eq!(outbox.deliver(&senders, begun).await.unwrap(), WAITING);
    assert_eq!(outbox.deliver(&senders, begun + 70_000).await.unwrap(), FAILED);
    assert_eq!(outbox.deliver(&senders, begun + 100_000).await.unwrap(), WAITING);
    assert!(!received.try_recv().unwrap().contains("attempt"));
    assert!(received.try_recv().unwrap().contains("attempt 2: you may have it already"));
}

#[tokio::test]
async fn a_receiver_that_is_gone_costs_one_try_and_keeps_no_other_waiting() {
    let (gone, mut refused) = receiver("503 Gone").await;
    let (there, mut taken) = receiver("200 OK").await;
    let outbox = outbox();
    for id in ["failure-r1-3", "failure-r2-3", "failure-r3-3"] {
        outbox.put(&message(id, Occasion::Failure)).await.unwrap();
    }
    let senders = [gone, there];
    outbox.open(&senders, before()).await.unwrap();
    let begun = now();
    assert_eq!(outbox.deliver(&senders, begun).await.unwrap(), Delivery { sent: 3, failed: 1, waiting: 2 });
    // The next round begins with the message that was not tried yet.
    assert_eq!(outbox.deliver(&senders, begun).await.unwrap(), Delivery { sent: 0, failed: 1, waiting: 2 });
    assert!(
        refused.try_recv().unwrap().contains("failure-r1-3")
            && refused.try_recv().unwrap().contains("failure-r2-3")
    );
    assert!(refused.try_recv().is_err());
    let taken: Vec<String> = std::iter::from_fn(|| taken.try_recv().ok()).collect();
    assert_eq!(taken.len(), 3);
}

/// The process ends at each point between the outbox, the sending and the mark: another finds what it left.
#[tokio::test]
async fn a_crash_loses_no_message_and_repeats_none_silently() {
    let failure = message("failure-r1-3", Occasion::Failure);
    let folder = folder(&failure.id);
    for (crash, sent, expected) in [
        // Before the outbox: the run's log has it, and the next process that reads the log puts it.
        (&[][..], 1, None),
        // After the outbox.
        (&["message.json"], 1, None),
        // After the attempt was recorded: whether it was sent is unknown.
        (&["message.json", "TRY"], 1, Some("attempt 2")),
        // After the mark.
        (&["message.json", "TRY", "SENT"], 0, None),
    ] {
        let (sender, mut received) = receiver("200 OK").await;
        let outbox = outbox();
        for name in crash {
            match *name {
                "message.json" => assert!(outbox.put(&failure).await.unwrap()),
                "TRY" => drop(create(&outbox, &folder, &format!("{}-try-0001.json", sender.key())).await),
                _ => drop(create(&outbox, &folder, &format!("{}-sent.json", sender.key())).await),
            }
        }
        outbox.put(&failure).await.unwrap();
        let senders = [sender];
        outbox.open(&senders, before()).await.unwrap();
        if crash.contains(&"TRY") && sent > 0 {
            assert_eq!(
                outbox.deliver(&senders, now()).await.unwrap(),
                WAITING,
                "{crash:?}: it may still be at work"
            );
        }
        let later = now() + 120_000;
        assert_eq!(outbox.deliver(&senders, later).await.unwrap().sent, sent, "{crash:?}");
        assert_eq!(outbox.deliver(&senders, later).await.unwrap(), NOTHING, "{crash:?}");
        let requests: Vec<String> = std::iter::from_fn(|| received.try_recv().ok()).collect();
        assert_eq!(requests.len(), sent, "{crash:?}");
        assert_eq!(
            requests.iter().any(|request| request.contains("attempt 2")),
            expected.is_some(),
            "{crash:?}"
        );
    }
}

async fn create(outbox: &Outbox, folder: &Path, name: &str) -> Creation {
    create_once(outbox.objects.as_ref(), &folder.clone().join(name), "{}").await.unwrap()
}

#[tokio::test]
async fn two_concurrent_deliveries_send_once() {
    let (sender, mut received) = receiver("200 OK").await;
    let outbox = outbox();
    outbox.put(&message("failure-r1-3", Occasion::Failure)).await.unwrap();
    let senders = [sender];
    outbox.open(&senders, before()).await.unwrap();
    let (a, b) = tokio::join!(outbox.deliver(&senders, now()), outbox.deliver(&senders, now()));
    assert_eq!(a.unwrap().sent + b.unwrap().sent, 1);
    assert!(received.try_recv().is_ok());
    assert!(received.try_recv().is_err());
}

#[tokio::test]
async fn events_before_a_channel_existed_are_not_sent_to_it() {
    let (old, mut received_old) = receiver("200 OK").await;
    let (new, mut received_new) = receiver("200 OK").await;
    let outbox = outbox();
    outbox.open(std::slice::from_ref(&old), before()).await.unwrap();
    let earlier = message("failure-r1-3", Occasion::Failure);
    outbox.put(&earlier).await.unwrap();
    let senders = [old, new];
    outbox.open(&senders, earlier.at.as_millisecond() + 1).await.unwrap();
    // It was seen before: an instant that is named later changes nothing.
    outbox.open(&senders, before()).await.unwrap();
    let later =
        Message { at: earlier.at + Duration::from_secs(1), ..message("failure-r2-3", Occasion::Failure) };
    outbox.put(&later).await.unwrap();
    assert_eq!(outbox.deliver(&senders, now()).await.unwrap(), Delivery { sent: 3, failed: 0, waiting: 0 });
    let count = |received: &mut mpsc::UnboundedReceiver<String>| {
        std::iter::from_fn(|| received.try_recv().ok()).count()
    };
    assert_eq!((count(&mut received_old), count(&mut received_new)), (2, 1));
}

#[tokio::test]
async fn an_unreadable_message_is_named_and_blocks_no_other() {
    let (sender, mut received) = receiver("200 OK").await;
    let (damaged, _) = receiver("200 OK").await;
    let outbox = outbox();
    let senders = [damaged, sender];
    outbox.open(&senders, before()).await.unwrap();
    let at = Timestamp::from_millisecond(now() - 60_000).unwrap();
    outbox.put(&Message { at, ..message("failure-r1-3", Occasion::Failure) }).await.unwrap();
    assert_eq!(outbox.check_integrity().await.unwrap(), []);
    for path in [folder("failure-r0-3").join(MESSAGE), channel_path(senders[0].key())] {
        outbox.objects.put(&path, "{\"nonce\":".into()).await.unwrap();
    }
    let named: Vec<String> =
        outbox.check_integrity().await.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(named.len(), 2, "{named:?}");
    assert!(
        named[0].contains("remove `_sys/outbox/failure-r0-3/`") && named[1].contains("_sys/outbox-channels/"),
        "{named:?}"
    );
    assert_eq!(outbox.deliver(&senders, now()).await.unwrap(), SENT);
    assert!(received.try_recv().is_ok());
    // The channel is one of which is known from now on since when there is it.
    let named = outbox.check_integrity().await.unwrap();
    assert_eq!(named.len(), 1, "{named:?}");
}

#[tokio::test]
async fn old_messages_expire_whole() {
    let outbox = outbox();
    outbox.put(&message("failure-r1-3", Occasion::Failure)).await.unwrap();
    assert_eq!(outbox.expire(now() - 60_000).await.unwrap(), 0);
    assert_eq!(outbox.expire(now() + 60_000).await.unwrap(), 1);
    assert!(outbox.objects.list(None).try_collect::<Vec<_>>().await.unwrap().is_empty());
}
