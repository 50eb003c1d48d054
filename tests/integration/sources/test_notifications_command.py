"""The command `labelyard notifications`."""

from __future__ import annotations

from tests.support.machine import Machine


def test_notifications_shows_the_plan_then_applies_it_then_finds_nothing_to_do(machine: Machine) -> None:
    server = machine.server
    bucket = server.new_bucket()
    theirs = server.new_queue()
    arn = f"arn:aws:sqs:us-east-1:000000000000:{theirs.rsplit('/', 1)[-1]}"
    other = {"Id": "theirs", "QueueArn": arn, "Events": ["s3:ObjectTagging:*"]}
    s3, sqs = server.boto("s3"), server.boto("sqs")
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [other]})
    spec = machine.apply(bucket)
    queue_name = f"pictures-{bucket[-6:]}"
    url = f"{server.url}/000000000000/{queue_name}"

    shown = machine.call("notifications", spec.name, LABELYARD_WATCH__QUEUE_URL=url)
    assert shown.exit_code == 0, shown.output
    assert "create it with" in shown.stdout
    assert shown.stdout.splitlines()[-1] == f"next: labelyard notifications {spec.name} --apply"
    assert queue_name not in str(sqs.list_queues().get("QueueUrls"))

    applied = machine.call("notifications", spec.name, "--apply", LABELYARD_WATCH__QUEUE_URL=url)
    assert applied.exit_code == 0, applied.output
    assert applied.stdout.splitlines()[-1] == "next: labelyard up, or labelyard watch"
    configured = s3.get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"]
    assert other["Id"] in {one["Id"] for one in configured}
    assert len(configured) == 2
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["ReceiveMessageWaitTimeSeconds"] == "20"
    assert f"arn:aws:s3:::{bucket}" in attributes["Policy"]
    server.store.write(bucket, "in/a.jpg", b"x")
    server.store.write(bucket, "elsewhere/a.jpg", b"x")
    server.delete(bucket, "in/a.jpg")
    bodies = [m["Body"] for m in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]]
    assert any("in/a.jpg" in body and "ObjectCreated" in body for body in bodies)
    assert any("in/a.jpg" in body and "ObjectRemoved" in body for body in bodies)
    assert not any("elsewhere" in body for body in bodies)

    again = machine.call("notifications", spec.name, LABELYARD_WATCH__QUEUE_URL=url)
    assert again.exit_code == 0
    assert again.stdout.count("fine") == 3
    assert again.stdout.splitlines()[-1] == "next: labelyard up, or labelyard watch"


def test_notifications_accepts_a_dataset_file_and_prints_the_setting_for_a_new_queue(machine: Machine) -> None:
    bucket = machine.server.new_bucket()
    (machine.folder / "cats.yaml").write_text(
        f"name: cats\nsources:\n  - bucket: {bucket}\n    prefix: in/\ntask:\n  labels: [cat]\nannotators: [ann]\n"
        "export:\n  prefix: coco/\n"
    )
    applied = machine.call("notifications", "cats.yaml", "--apply")
    assert applied.exit_code == 0, applied.output
    written = f"LABELYARD_WATCH__QUEUE_URL={machine.server.url}/000000000000/labelyard"
    assert applied.stdout.splitlines()[-2:] == [f".env: {written}", "next: labelyard up, or labelyard watch"]
    assert "LABELYARD_WATCH__QUEUE_URL=" in (machine.folder / ".env").read_text()


def test_notifications_changes_nothing_if_the_plan_has_a_problem(machine: Machine) -> None:
    server = machine.server
    bucket = server.new_bucket()
    server.notify(bucket, server.new_queue())
    spec = machine.apply(bucket)
    before = server.boto("s3").get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"]
    done = machine.run("notifications", spec.name, "--apply")
    assert done.returncode == 1
    assert b"only one configuration for the same objects" in done.stderr
    assert server.boto("s3").get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"] == before


def test_notifications_fails_for_a_fifo_queue_a_missing_bucket_and_a_store_without_sqs(machine: Machine) -> None:
    spec = machine.apply(machine.server.new_bucket())
    fifo = machine.call("notifications", spec.name, "--apply", LABELYARD_WATCH__QUEUE_URL="https://sqs.x/1/q.fifo")
    assert "FIFO" in str(fifo.exception)
    missing = machine.call("notifications", machine.apply("no-such-bucket").name)
    assert "create the bucket" in str(missing.exception)
    minio = {**machine.environment}
    del minio["LABELYARD_WATCH__SQS_ENDPOINT_URL"]
    machine.environment = minio
    webhook = machine.call("notifications", spec.name)
    assert "LABELYARD_WATCH__WEBHOOK" in str(webhook.exception)
