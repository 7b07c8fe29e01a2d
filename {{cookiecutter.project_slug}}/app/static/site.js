// Times arrive in UTC. This script shows them in the reader's own zone; their titles stay in UTC.
for (const time of document.querySelectorAll("time[data-local]")) {
  time.textContent = new Date(time.dateTime).toLocaleString([], {
    dateStyle: "medium",
    timeStyle: "short",
  });
}
