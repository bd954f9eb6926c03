import MuiAlert from "@mui/material/Alert";
import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import TextField from "@mui/material/TextField";
import { useMemo, useState, type FormEvent } from "react";
import { Link as RouterLink, useSearchParams } from "react-router";
import { messageOf } from "../../api/errors";
import { AlertsTable } from "../../components/alerts/AlertsTable";
import { useAcknowledge, useAlerts } from "../../components/alerts/useAlerts";
import { AuthorField } from "../../components/AuthorField";
import { Notice } from "../../components/Notice";
import { PageHead } from "../../components/PageHead";
import { Panel } from "../../components/Panel";
import { useAuthor } from "../../lib/author";
import { formatCount } from "../../lib/format";
import { useNow } from "../../lib/useNow";
import { usePageTitle } from "../../lib/usePageTitle";
import { parseConfirmLink, type ConfirmLink } from "./confirm-link";

/**
 * Where the links of notifications lead: it shows what would be acknowledged and
 * asks. Opening it changes nothing, since mail scanners open links before people do.
 */
export function ConfirmPage() {
  usePageTitle("Acknowledge");
  const [params] = useSearchParams();
  const link = useMemo(() => parseConfirmLink(params), [params]);
  const list = useAlerts(link.ids.length > 0 ? { ids: link.ids, pageSize: 1000 } : undefined);
  const now = useNow(5000);
  if (link.ids.length === 0) {
    return (
      <Notice page alert title="The link is not complete" minHeight="60vh">
        It names no alert. Open it again from the message, or find the alert in the list.
      </Notice>
    );
  }
  const alerts = list.data?.alerts;
  const gone = alerts === undefined ? 0 : link.ids.length - alerts.length;
  return (
    <>
      <PageHead within={{ to: "/alerts", title: "Alerts" }} title="Acknowledge" />
      <Box sx={{ display: "grid", gap: 1.5 }}>
        <Ask link={link} />
        <Panel title="What would be acknowledged" padded={false}>
          {list.isError && !alerts ? (
            <Notice alert title="The alerts could not be loaded" minHeight={120}>
              {messageOf(list.error)}
            </Notice>
          ) : alerts?.length === 0 ? (
            <Notice title="None of them is there any more" minHeight={120}>
              They were resolved a while ago.
            </Notice>
          ) : (
            <AlertsTable label="What would be acknowledged" alerts={alerts} now={now} />
          )}
          {gone > 0 && alerts?.length !== 0 && (
            <Box sx={{ p: 1.5, color: "text.secondary", fontSize: "0.8125rem" }}>
              {gone === 1 ? "One more was" : `${formatCount(gone)} more were`} resolved a while ago.
            </Box>
          )}
        </Panel>
      </Box>
    </>
  );
}

function Ask({ link }: { link: ConfirmLink }) {
  const [author] = useAuthor();
  const [comment, setComment] = useState("");
  const [tried, setTried] = useState(false);
  const acknowledge = useAcknowledge();
  const missed = acknowledge.data?.length ?? 0;
  const submit = (e: FormEvent) => {
    e.preventDefault();
    setTried(true);
    if (author.trim() === "") return;
    acknowledge.mutate({
      ids: link.ids,
      author: author.trim(),
      comment: comment.trim(),
      ...(link.exp && { exp: link.exp }),
      ...(link.sig && { sig: link.sig }),
    });
  };
  if (acknowledge.isSuccess) {
    return (
      <MuiAlert
        severity={missed > 0 ? "warning" : "success"}
        action={
          <Button component={RouterLink} to="/alerts" color="inherit">
            Go to the alerts
          </Button>
        }
      >
        {missed === link.ids.length
          ? "Nothing was acknowledged: none of them fires any more."
          : missed > 0
            ? `Acknowledged, but for ${formatCount(missed)} that do not fire any more.`
            : "Acknowledged."}
      </MuiAlert>
    );
  }
  return (
    <Panel title={`Do you deal with ${link.ids.length === 1 ? "this alert" : "these alerts"}?`}>
      <Box
        component="form"
        noValidate
        onSubmit={submit}
        sx={{ display: "grid", gap: 1.5, maxWidth: 480, pt: 1 }}
      >
        <Box sx={{ fontSize: "0.8125rem", color: "text.secondary" }}>
          Then nobody else is called, and nothing is repeated until they are resolved.
        </Box>
        <AuthorField error={tried && author.trim() === ""} />
        <TextField
          size="small"
          label="Comment"
          multiline
          minRows={2}
          value={comment}
          onChange={(e) => setComment(e.target.value)}
        />
        {acknowledge.isError && <MuiAlert severity="error">{messageOf(acknowledge.error)}</MuiAlert>}
        <Button
          type="submit"
          variant="contained"
          loading={acknowledge.isPending}
          sx={{ justifySelf: "start" }}
        >
          Acknowledge {link.ids.length === 1 ? "it" : `${formatCount(link.ids.length)} alerts`}
        </Button>
      </Box>
    </Panel>
  );
}
