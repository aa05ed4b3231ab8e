#include "mail/bounce_template/internal.h"

/* In the form in which a file has them. */
const char *const bounce_template_built_in[TEMPLATE_KINDS] = {
    "Charset: us-ascii\n"
    "From: Mail Delivery System <MAILER-DAEMON>\n"
    "Subject: Undelivered Mail Returned to Sender\n"
    "Postmaster-Subject: Postmaster Copy: Undelivered Mail\n"
    "\n"
    "This is the mail system at host $myhostname.\n"
    "\n"
    "Your message could not be delivered to the recipients below.\n"
    "The message is attached, and no further attempts will be made.\n"
    "\n"
    "If you need help, write to postmaster and include this report;\n"
    "your own message need not be part of it.\n"
    "\n"
    "                   The mail system\n",

    "Charset: us-ascii\n"
    "From: Mail Delivery System <MAILER-DAEMON>\n"
    "Subject: Delayed Mail (still being retried)\n"
    "Postmaster-Subject: Postmaster Warning: Delayed Mail\n"
    "\n"
    "This is the mail system at host $myhostname.\n"
    "\n"
    "THIS IS A WARNING ONLY. YOU DO NOT NEED TO SEND YOUR MESSAGE AGAIN.\n"
    "\n"
    "Your message could not be delivered for more than $delay_warning_time_hours hour(s).\n"
    "It will be tried until it is $maximal_queue_lifetime_days day(s) old.\n"
    "\n"
    "If you need help, write to postmaster and include this report;\n"
    "your own message need not be part of it.\n"
    "\n"
    "                   The mail system\n",

    "Charset: us-ascii\n"
    "From: Mail Delivery System <MAILER-DAEMON>\n"
    "Subject: Successful Mail Delivery Report\n"
    "\n"
    "This is the mail system at host $myhostname.\n"
    "\n"
    "Your message was delivered to the destinations below. Where a mailbox\n"
    "is among them you will hear no more; other systems may still report.\n"
    "\n"
    "                   The mail system\n",

    "Charset: us-ascii\n"
    "From: Mail Delivery System <MAILER-DAEMON>\n"
    "Subject: Mail Delivery Status Report\n"
    "\n"
    "This is the mail system at host $myhostname.\n"
    "\n"
    "Enclosed is the mail delivery report that you requested.\n"
    "\n"
    "                   The mail system\n",
};
