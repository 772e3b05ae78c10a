import { useMutation } from "@tanstack/react-query";
import { App, Button, Checkbox, Modal } from "antd";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { client, idempotencyKey, unwrap } from "../../api/client";
import type { Run } from "../../api/types";
import { Icon } from "../../ui/icon";

/** Stops a run after asking; a run that is stopping already can only be forced. */
export function StopButton({ run }: { run: Run }) {
  const { t } = useTranslation();
  const { message } = App.useApp();
  const [open, setOpen] = useState(false);
  const [force, setForce] = useState(false);
  const stopping = run.state === "terminating";
  const stop = useMutation({
    mutationFn: () =>
      unwrap(
        client.POST("/api/v1/runs/{run_id}/stop", {
          params: { path: { run_id: run.id }, header: { "Idempotency-Key": idempotencyKey() } },
          body: { force: force || stopping },
        }),
      ),
    onSuccess: () => setOpen(false),
    onError: (error) => void message.error(t("run.stop_failed", { problem: error.message })),
  });
  if (run.state !== "running" && run.state !== "pending" && !stopping) return null;
  return (
    <>
      <Button
        danger
        icon={<Icon name="stop" />}
        onClick={() => {
          setForce(false);
          setOpen(true);
        }}
      >
        {stopping ? t("run.force") : t("run.stop")}
      </Button>
      <Modal
        open={open}
        title={stopping ? t("run.kill_title") : t("run.stop_title")}
        okText={stopping ? t("run.kill_now") : t("run.stop_now")}
        cancelText={t("app.cancel")}
        okButtonProps={{ danger: true }}
        confirmLoading={stop.isPending}
        onOk={() => stop.mutate()}
        onCancel={() => setOpen(false)}
      >
        <p>{stopping ? t("run.kill_body") : t("run.stop_body")}</p>
        {!stopping && (
          <Checkbox
            className="stop-force"
            checked={force}
            onChange={(event) => setForce(event.target.checked)}
          >
            {t("run.stop_force")}
          </Checkbox>
        )}
      </Modal>
    </>
  );
}
