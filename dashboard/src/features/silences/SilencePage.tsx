import Skeleton from "@mui/material/Skeleton";
import { useState } from "react";
import { useNavigate, useParams, useSearchParams } from "react-router";
import { ApiError, messageOf } from "../../api/errors";
import { serverNow } from "../../api/reach";
import { Notice } from "../../components/Notice";
import { PageHead } from "../../components/PageHead";
import { HOUR, toLocalField } from "../../lib/time-range";
import { usePageTitle } from "../../lib/usePageTitle";
import { fieldsOf, newFields, onLines } from "./form";
import { SilenceForm } from "./SilenceForm";
import { useSilence } from "./useSilences";

/** Makes a silence; the URL may say which matchers it begins with. */
export function NewSilencePage() {
  usePageTitle("New silence");
  const [params] = useSearchParams();
  const [start] = useState(() => newFields(onLines(params.getAll("matcher").join("\n")), serverNow()));
  return (
    <>
      <PageHead within={{ to: "/silences", title: "Silences" }} title="New silence" />
      <SilenceForm start={start} />
    </>
  );
}

/** Changes a silence, or makes one that is over again. */
export function SilencePage() {
  const { silenceId = "" } = useParams();
  const [params] = useSearchParams();
  const again = params.get("again") === "1";
  const silence = useSilence(silenceId);
  const navigate = useNavigate();
  usePageTitle("Silence");
  if (silence.isError && !silence.data) {
    const missing = silence.error instanceof ApiError && silence.error.kind === "not_found";
    return (
      <Notice
        page
        alert
        minHeight="60vh"
        title={missing ? "There is no such silence" : "The silence could not be loaded"}
        action={
          missing
            ? { label: "Go to the silences", run: () => void navigate("/silences") }
            : { label: "Try again", run: () => void silence.refetch() }
        }
      >
        {missing ? "Silences are kept for a few days after their end." : messageOf(silence.error)}
      </Notice>
    );
  }
  if (!silence.data) return <Skeleton variant="rounded" height={420} aria-busy />;
  const now = serverNow();
  const over = silence.data.state === "SILENCE_STATE_EXPIRED";
  const fields = fieldsOf(silence.data, now);
  const anew = again || over;
  return (
    <>
      <PageHead
        within={{ to: "/silences", title: "Silences" }}
        title={anew ? "The same silence again" : "Change the silence"}
      />
      <SilenceForm
        key={silenceId}
        start={anew ? { ...fields, start: "", end: toLocalField(now + 2 * HOUR) } : fields}
        {...(!anew && { id: silenceId })}
      />
    </>
  );
}
